"""Acting on somebody's whole login: only for whoever could revoke all that they hold, then and at the commit.

A11  Who could cancel a profile may also log it out everywhere, or let its owner begin again.
A13  A person out of sight answers like one that does not exist.
"""

from collections.abc import Callable

from services.auth.views import people
from services.profiles.access import Access
from services.profiles.policy import Operation
from shared.cause import Cause
from shared.database import Database
from shared.errors import Forbidden


class AllTheyHold:
    """Looks whether all that a person holds is in the reach of whoever acts."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    async def covering(
        self, operation: Operation, profile_id: str, cause: Cause, *, else_raise: Callable[[], Forbidden]
    ) -> Cause:
        """The cause under every permit that it takes (A14).

        Raises NotFound, NotPermitted, and `else_raise` when something that they hold is out of the actor's reach.
        """
        person = await people.by_id(self._database, profile_id)
        known = person is not None and not person["cancelled"]
        permit = await self._access.require(cause.actor, operation, profile_id, exists=known)
        held = await self._database.rows(
            "SELECT kind, target_id FROM reach_grants WHERE profile_id = %s", (profile_id,)
        )
        permits = await self._access.revocable(cause.actor, [(grant["kind"], grant["target_id"]) for grant in held])
        if permits is None:
            raise else_raise()
        for each in permits or [permit]:
            cause = each.covers(cause)
        return cause
