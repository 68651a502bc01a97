"""Number plates: how they are written, and when two are the same plate.

P2   A plate is a country code and the plate itself, spaces and hyphens dropped, upper case. A plate has at most one
     open number plate payment or eTicket, across all companies (kept by a view with a unique key).
"""

import re
import unicodedata

from shared.errors import Conflict, Invalid

# fmt: off
COUNTRIES = frozenset({
    "AD", "AL", "AT", "BA", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FO",
    "FR", "GB", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MC", "MD", "ME",
    "MK", "MT", "NL", "NO", "PL", "PT", "RO", "RS", "SE", "SI", "SK", "SM", "TR", "UA",
})
# fmt: on
"""The countries whose plates are known, by ISO 3166-1 alpha-2."""

_SPACES_AND_HYPHENS = re.compile(r"[\s\-‐-―−]")
# The letters that European plates carry; look-alikes of other scripts would make two plates of one.
_PLATE = re.compile("[0-9A-ZÄÅÆÖØÜČĆĐŠŽ]{2,10}")


class CountryUnknown(Invalid):
    """The country of a plate is given by its two-letter code, such as DK, SE or DE."""

    code = "country-unknown"
    rule = "P2"


class PlateMalformed(Invalid):
    """A plate has two to ten letters and digits; spaces and hyphens do not count."""

    code = "plate-malformed"
    rule = "P2"


class PlateTaken(Conflict):
    """There is already an open number plate payment or eTicket for this plate."""

    code = "plate-has-open-product"
    rule = "P2"


def country_code(text: str) -> str:
    """The country code, trimmed and in upper case. Raises CountryUnknown."""
    code = unicodedata.normalize("NFKC", text).strip().upper()
    if code not in COUNTRIES:
        raise CountryUnknown
    return code


def normalised(text: str) -> str:
    """The plate as it is compared and kept (P2). Raises PlateMalformed."""
    upper = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).upper())
    plate = _SPACES_AND_HYPHENS.sub("", upper)
    if not _PLATE.fullmatch(plate):
        raise PlateMalformed
    return plate
