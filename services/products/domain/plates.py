"""Number plates: how they are written, and when two are the same plate.

P2   A plate is a country code and the plate itself, spaces and hyphens dropped, upper case. A plate has at most one
     open number plate payment or eTicket, across all companies (kept by a view with a unique key).

*Decision.* What a country's plates may look like is asked leniently, so that personal, diplomatic, military and trade
plates pass, and only of the countries most customers drive from; any other country's plate has the general form.
"""

import re
import unicodedata
from collections.abc import Mapping

from shared.errors import Conflict, Invalid

# fmt: off
COUNTRIES = frozenset({
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU", "AW", "AX", "AZ", "BA", "BB", "BD",
    "BE", "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS", "BT", "BV", "BW", "BY", "BZ", "CA",
    "CC", "CD", "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN", "CO", "CR", "CU", "CV", "CW", "CX", "CY", "CZ", "DE",
    "DJ", "DK", "DM", "DO", "DZ", "EC", "EE", "EG", "EH", "ER", "ES", "ET", "FI", "FJ", "FK", "FM", "FO", "FR", "GA",
    "GB", "GD", "GE", "GF", "GG", "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GS", "GT", "GU", "GW", "GY", "HK",
    "HM", "HN", "HR", "HT", "HU", "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM", "JO", "JP",
    "KE", "KG", "KH", "KI", "KM", "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC", "LI", "LK", "LR", "LS", "LT",
    "LU", "LV", "LY", "MA", "MC", "MD", "ME", "MF", "MG", "MH", "MK", "ML", "MM", "MN", "MO", "MP", "MQ", "MR", "MS",
    "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NC", "NE", "NF", "NG", "NI", "NL", "NO", "NP", "NR", "NU", "NZ",
    "OM", "PA", "PE", "PF", "PG", "PH", "PK", "PL", "PM", "PN", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS",
    "RU", "RW", "SA", "SB", "SC", "SD", "SE", "SG", "SH", "SI", "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS", "ST",
    "SV", "SX", "SY", "SZ", "TC", "TD", "TF", "TG", "TH", "TJ", "TK", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TW",
    "TZ", "UA", "UG", "UM", "US", "UY", "UZ", "VA", "VC", "VE", "VG", "VI", "VN", "VU", "WF", "WS", "XK", "YE", "YT",
    "ZA", "ZM", "ZW",
})
# fmt: on
"""Every country by ISO 3166-1 alpha-2, and XK; only so that a slip (DA, UK, GER) is not taken for a country."""

_SPACES_AND_HYPHENS = re.compile(r"[\s\-‐-―−]")
# The letters that European plates carry; look-alikes of other scripts would make two plates of one.
_PLATE = re.compile("[0-9A-ZÄÅÆÖØÜČĆĐŠŽ]{2,10}")

# DK AB 12 345, BIL 1 · NO EL 12345 · SE ABC 12D, MIN BIL · DE M-AB 1234E, Y-123 456, 0-17-1
_OF: Mapping[str, tuple[re.Pattern[str], str]] = {
    "DK": (re.compile("[0-9A-ZÆØÅ]{2,7}"), "two to seven letters (to Å) and digits"),
    "NO": (re.compile("[0-9A-ZÆØÅ]{2,7}"), "two to seven letters (to Å) and digits"),
    "SE": (re.compile("[0-9A-ZÅÄÖ]{2,7}"), "two to seven letters (to Ö) and digits"),
    "DE": (
        re.compile("(?=.*[0-9])[0-9A-ZÄÖÜ]{2,9}"),
        "two to nine letters (Ä, Ö, Ü too) and digits, one digit at least",
    ),
}
"""The countries with a form of their own, and the form in words."""


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
    """The plate of any country, as it is compared and kept (P2). Raises PlateMalformed."""
    plate = compared(text)
    if not _PLATE.fullmatch(plate):
        raise PlateMalformed
    return plate


def plate_of(country: str, text: str) -> str:
    """The plate of a country that `country_code` answered, as it is compared and kept (P2). Raises PlateMalformed."""
    plate = normalised(text)
    if country in _OF:
        form, words = _OF[country]
        if not form.fullmatch(plate):
            raise PlateMalformed(f"A plate of {country} has {words}; spaces and hyphens do not count.", country=country)
    return plate


def compared(text: str) -> str:
    """What is written as a plate, or as a part of one, as plates are compared; it need not be one."""
    upper = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).upper())
    return _SPACES_AND_HYPHENS.sub("", upper)
