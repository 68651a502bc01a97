"""EAN numbers: where a public body or a company takes in electronic invoices (C3).

13 digits, the last of which is GS1's check digit. That is not the check of payment card numbers (P6), and no free text.
"""

import re

from shared.errors import Invalid


class EanMalformed(Invalid):
    """An EAN number is 13 digits, the last of which is GS1's check digit."""

    code = "ean-malformed"
    rule = "C3"


class EanNotAskedFor(Invalid):
    """An EAN number is of use only for invoices in this format; leave it out."""

    code = "ean-not-asked-for"
    rule = "C3"


def ean_number(text: str) -> str:
    """The number as it is kept: in groups or not makes no difference. Raises EanMalformed."""
    ean = "".join(text.split())
    if not re.fullmatch("[0-9]{13}", ean) or not _checks(ean):
        raise EanMalformed
    return ean


def _checks(ean: str) -> bool:
    # From the right the digits count once and three times in turn; the check digit makes the sum a multiple of ten.
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(ean))) % 10 == 0
