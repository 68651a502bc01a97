"""Outages: which failures say that the database cannot do it now, and which say that it will not do it at all.

The first kind is tried again, the second is the answer. PostgreSQL's drivers mix both under OperationalError: an index
entry that is too long would be tried for ever.
"""

import psycopg

_UNREACHABLE = ("08", "53", "57P", "58", "25006")
"""Connection gone, resources exhausted, server going down or only readable: prefixes of SQLSTATE."""
_BUSY = ("40", "55P03", "57014")
"""Deadlock, lock not had in time, statement cancelled: the connection is well, the transaction is not."""


def is_unreachable(failure: BaseException) -> bool:
    """Whether the database cannot be worked with over this connection any more."""
    if isinstance(failure, (psycopg.OperationalError, psycopg.InterfaceError)) and failure.sqlstate is None:
        return True
    return isinstance(failure, psycopg.Error) and (failure.sqlstate or "").startswith(_UNREACHABLE)


def is_busy(failure: BaseException) -> bool:
    """Whether the same may well succeed in another transaction."""
    return isinstance(failure, psycopg.Error) and (failure.sqlstate or "").startswith(_BUSY)
