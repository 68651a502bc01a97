"""How deeply a JSON body may nest: checked before anything parses it, in time that no body can stretch."""

import re
from typing import Final

from services.gateway.refusing import Malformed

DEEPEST: Final = 32
# Possessive, and closed or not: however a body is made, it is read once.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_ALIKE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def must_be_shallow(body: bytes) -> None:
    """Raises Malformed for a body that nests deeper than 32."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    nesting = _STRING.sub(b"", body).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(DEEPEST):
        nesting = nesting.replace(b"[]", b"")  # takes the innermost level away
        if not nesting:
            return
    raise Malformed(f"The body nests deeper than {DEEPEST}, or its brackets do not match.")
