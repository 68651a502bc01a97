"""How deeply a JSON body may nest (Q-10): checked before anything parses it."""

import re
from typing import Final

from services.gateway.refusing import Malformed

DEEPEST: Final = 32
# Possessive, and closed or not: however a body is made, it is read once.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[{\]}]")


def must_be_shallow(body: bytes) -> None:
    """Raises Malformed for a body that nests deeper than 32."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", body)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEEPEST:
            raise Malformed(f"The body nests deeper than {DEEPEST}.")
