"""What people write freely: one line, of a sensible length, never the number of a payment card.

P6   Anything that looks like a full card number is refused; no refusal repeats what was written.
P1   The number of a device passes the check of the payment cards one time in ten; no payment card begins like it.
"""

import re
import unicodedata
from itertools import combinations

from shared.errors import Invalid

_DIGIT_GROUPS = re.compile(r"\d+(?:[\s\-‐-―−]+\d+)*")
_CARD_DIGITS = range(13, 20)
_DEVICE = re.compile("9208[0-9]{12}")


class TextMalformed(Invalid):
    """A text is one line of visible characters, neither empty nor longer than its field allows."""

    code = "text-malformed"


class LooksLikeACardNumber(Invalid):
    """The text contains what looks like the number of a payment card; leave the number out."""

    code = "looks-like-a-card-number"
    rule = "P6"


def line(text: str, *, most: int) -> str:
    """The text as it is kept: trimmed, each run of white space one space, at most `most` characters.

    Raises TextMalformed when it is empty, too long or holds invisible characters, LooksLikeACardNumber (P6).
    """
    kept = " ".join(text.split())
    if not kept or len(kept) > most or not kept.isprintable():
        raise TextMalformed(most=most)
    must_not_hold_a_card_number(kept)
    return kept


def optional_line(text: str | None, *, most: int) -> str | None:
    """As `line`, where nothing or only white space means that there is none."""
    return line(text, most=most) if text and not text.isspace() else None


def folded(text: str | None) -> str:
    """A text, or a part of one, as it is searched for: whoever searches need not know how it was written."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text or "").casefold())


def must_not_hold_a_card_number(text: str) -> None:
    """Raises LooksLikeACardNumber (P6)."""
    if holds_a_card_number(text):
        raise LooksLikeACardNumber


def masked(text: str) -> str:
    """The text with each run of digits that holds the number of a payment card as stars (P6): for what we must keep."""

    def mask(run: re.Match[str]) -> str:
        return "*" * len(run[0]) if holds_a_card_number(run[0]) else run[0]

    return _DIGIT_GROUPS.sub(mask, text)


def holds_a_card_number(text: str) -> bool:
    """Whether there is a stretch of digits in it, spaces and hyphens aside, that could be one."""
    # NFKC, because a full-width number is as much a number; \d and int() know the digits of every script.
    runs = _DIGIT_GROUPS.findall(unicodedata.normalize("NFKC", text))
    return any(_is_card_number(digits) for run in runs for digits in _neighbours(re.findall(r"\d+", run)))


def _neighbours(groups: list[str]) -> list[str]:
    """Each stretch of groups as one number: a card number may have an expiry date or a count written beside it."""
    return ["".join(groups[start:end]) for start, end in combinations(range(len(groups) + 1), 2)]


def _is_card_number(digits: str) -> bool:
    """Luhn's check, which every payment card number passes."""
    if len(digits) not in _CARD_DIGITS or _DEVICE.fullmatch(digits):
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
