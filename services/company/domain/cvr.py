"""CVR numbers: eight digits, each registered once (C6, kept by a view with a unique key).

A number that fails modulus 11 may be mistyped, and may be right: newer numbers fail it. So it is a warning and refuses
nothing.
"""

import re
from typing import Literal

from shared.errors import Conflict, Invalid

CvrWarning = Literal["cvr-fails-modulus-11"]
"""What somebody should look at once more."""

_EIGHT_DIGITS = re.compile("[0-9]{8}")
_WEIGHTS = (2, 7, 6, 5, 4, 3, 2, 1)


class CvrMalformed(Invalid):
    """A CVR number is eight digits."""

    code = "cvr-malformed"
    rule = "C6"


class CvrAlreadyRegistered(Conflict):
    """A company with this CVR number is already registered."""

    code = "cvr-already-registered"
    rule = "C6"


def cvr_number(text: str) -> str:
    """The number as it is kept. Raises CvrMalformed."""
    cvr = text.strip()
    if not _EIGHT_DIGITS.fullmatch(cvr):
        raise CvrMalformed
    return cvr


def warnings_about(text: str) -> list[CvrWarning]:
    """What may be wrong with a number that is taken all the same; nothing is said of what cannot be one."""
    cvr = text.strip()
    return ["cvr-fails-modulus-11"] if _EIGHT_DIGITS.fullmatch(cvr) and _fails_modulus_11(cvr) else []


def _fails_modulus_11(cvr: str) -> bool:
    return sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, cvr, strict=True)) % 11 != 0
