"""The device of a bizz.

P1   A bizz is dispatched with a device number of 16 digits that starts with 9208 and is unique (kept by a view).
"""

import re

from shared.errors import Conflict, Invalid


class DeviceNumberMalformed(Invalid):
    """A device number is 16 digits and starts with 9208."""

    code = "device-number-malformed"
    rule = "P1"


class DeviceNumberTaken(Conflict):
    """Another bizz has this device number."""

    code = "device-number-taken"
    rule = "P1"


def device_number(text: str) -> str:
    """The device number, trimmed (P1). Raises DeviceNumberMalformed."""
    number = text.strip()
    if not re.fullmatch("9208[0-9]{12}", number):
        raise DeviceNumberMalformed
    return number
