"""When two spellings are one e-mail address.

A8   Addresses are compared after trimming, Unicode NFKC, case folding and IDNA-encoding the domain; nothing else is
     merged: no dot or plus tricks.
"""

import re
import unicodedata

import idna

from shared.errors import Invalid

LONGEST = 254
"""Characters of an address, as mail can carry it (RFC 5321)."""

# One or more parts between dots, without the characters that mean something to a mail header.
_LOCAL_PART = re.compile(r'[^\s.()<>\[\]:;,\\"]+(\.[^\s.()<>\[\]:;,\\"]+)*')


class EmailMalformed(Invalid):
    """An e-mail address has the form name@domain, without spaces."""

    code = "email-malformed"
    rule = "A8"


def normalised(text: str) -> str:
    """The address as it is compared (A8). Raises EmailMalformed, which never repeats what was written."""
    written = text.strip()
    if len(written) > LONGEST:
        raise EmailMalformed
    local, at, domain = _folded(written).partition("@")
    if not at or not _LOCAL_PART.fullmatch(local) or not local.isprintable():
        raise EmailMalformed
    address = f"{local}@{_encoded(domain)}"
    if len(address) > LONGEST:
        raise EmailMalformed
    return address


def _folded(text: str) -> str:
    # Folding may leave what NFKC would compose and the other way round, so both are done until nothing changes.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded if folded == text else _folded(folded)


def _encoded(domain: str) -> str:
    # A second @ is refused here too: no domain has one. A domain without a dot receives no mail from outside.
    try:
        encoded = idna.encode(domain).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise EmailMalformed from None
    if "." not in encoded.strip(".") or encoded.endswith("."):
        raise EmailMalformed
    return encoded
