"""P2: how number plates are written, and when two are the same plate; the device number of P1 and the VIN of P3."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.products.domain.devices import DeviceNumberMalformed, DeviceNumberTaken, device_number
from services.products.domain.plates import (
    COUNTRIES,
    CountryUnknown,
    PlateMalformed,
    PlateTaken,
    country_code,
    normalised,
    plate_of,
)
from services.products.domain.vehicles import VinMalformed, vin
from shared.errors import Conflict


@pytest.mark.parametrize(
    "written", ["AB12345", "ab 12 345", "AB-12-345", " aB 12-345 ", "ＡＢ１２３４５", "AB\u201112\u00a0345"]
)
def test_p2_spaces_hyphens_and_case_make_no_other_plate(written: str) -> None:
    assert normalised(written) == "AB12345"


def test_p2_letters_that_plates_carry_are_kept() -> None:
    assert normalised("mü-x 12") == "MÜX12"
    assert normalised("mu\u0308-x 12") == "MÜX12"
    assert normalised("øl 4 dig") == "ØL4DIG"


@pytest.mark.parametrize(
    "written", ["", "A", "- -", "AB123456789", "AB!2345", "АВ12345", "AB\x0012", "AB\u200b12", "٣٤٥٦"]
)
def test_p2_a_plate_has_two_to_ten_letters_and_digits(written: str) -> None:
    with pytest.raises(PlateMalformed):
        normalised(written)


@pytest.mark.parametrize("code", ["DK", "SE", "NO", "DE", "PL", "NL", " dk ", "ｓｅ"])
def test_p2_a_country_is_known_by_two_letters(code: str) -> None:
    assert country_code(code) in {"DK", "SE", "NO", "DE", "PL", "NL"}


@pytest.mark.parametrize("code", ["", "D", "DNK", "XX", "D K", "DA", "UK"])
def test_p2_what_is_no_country_is_refused(code: str) -> None:
    with pytest.raises(CountryUnknown):
        country_code(code)


@given(st.text(max_size=14) | st.from_regex(r"\A[a-zA-Zæøåß0-9 \-]{2,14}\Z"))
@example("ß1")
@example("ﬁ1")
def test_p2_a_normalised_plate_normalises_to_itself_and_anything_else_is_refused(written: str) -> None:
    try:
        plate = normalised(written)
    except PlateMalformed:
        return
    assert normalised(plate) == plate
    assert normalised(plate.lower()) == plate
    assert 2 <= len(plate) <= 10


@pytest.mark.parametrize(
    ("country", "written", "kept"),
    [
        ("DK", "ab 12 345", "AB12345"),
        ("DK", "øl 1", "ØL1"),
        ("DK", "34 567", "34567"),
        ("SE", "abc 12d", "ABC12D"),
        ("SE", "min bil", "MINBIL"),
        ("SE", "ÅÄÖ 123", "ÅÄÖ123"),
        ("NO", "el 12345", "EL12345"),
        ("NO", "CD 12 345", "CD12345"),
        ("DE", "m-ab 1234e", "MAB1234E"),
        ("DE", "TÜ-X 1", "TÜX1"),
        ("DE", "Y-123 456", "Y123456"),
        ("DE", "0-17-1", "0171"),
        ("DE", "THW-80000", "THW80000"),
    ],
)
def test_p2_plates_of_the_countries_most_drive_from_are_known_with_the_unusual_ones(
    country: str, written: str, kept: str
) -> None:
    assert plate_of(country, written) == kept


@pytest.mark.parametrize(
    ("country", "written"),
    [
        ("DK", "AB 123 456"),
        ("DK", "ÄB 12 345"),
        ("SE", "ABC 12345"),
        ("SE", "ÆBC 123"),
        ("NO", "EL 123456"),
        ("NO", "ÜL 12345"),
        ("DE", "M-ABCD"),
        ("DE", "M-AB 1234567"),
        ("DE", "MØ-X 12"),
        ("DK", "!"),
    ],
)
def test_p2_what_no_plate_of_its_country_looks_like_is_refused_and_the_refusal_says_what_one_does(
    country: str, written: str
) -> None:
    with pytest.raises(PlateMalformed) as refused:
        plate_of(country, written)
    assert "letters" in refused.value.detail
    assert written not in refused.value.detail


@pytest.mark.parametrize("country", sorted(COUNTRIES - {"DK", "SE", "NO", "DE"}))
def test_p2_a_plate_of_any_other_country_has_the_general_form(country: str) -> None:
    assert country_code(country.lower()) == country
    assert plate_of(country, "žč 123-4567") == "ŽČ1234567"
    with pytest.raises(PlateMalformed):
        plate_of(country, "AB 123 456 789")


@given(st.sampled_from(["DK", "SE", "NO", "DE", "PL"]), st.from_regex(r"\A[a-zA-Zæøåäöü0-9 \-]{2,11}\Z"))
def test_p2_a_plate_of_a_country_stays_the_same_however_it_is_written_and_has_the_general_form_too(
    country: str, written: str
) -> None:
    try:
        plate = plate_of(country, written)
    except PlateMalformed:
        return
    assert plate == normalised(written) == plate_of(country, f" {'-'.join(plate.lower())} ")


def test_p1_a_device_number_has_16_digits_and_starts_with_9208() -> None:
    assert device_number(" 9208000000000001 ") == "9208000000000001"
    for wrong in (
        "",
        "920800000000001",
        "92080000000000011",
        "9308000000000001",
        "9208 0000 0000 0001",
        "９２０８" + "0" * 12,
    ):
        with pytest.raises(DeviceNumberMalformed):
            device_number(wrong)


def test_p3_a_vin_has_17_characters_and_no_i_o_or_q() -> None:
    assert vin(" wvwzzz1jz3w386752 ") == "WVWZZZ1JZ3W386752"
    for wrong in (
        "",
        "WVWZZZ1JZ3W38675",
        "WVWZZZ1JZ3W3867522",
        *("WVWZZZ1JZ3W38675" + letter for letter in "IOQioqı!"),
    ):
        with pytest.raises(VinMalformed):
            vin(wrong)


def test_what_is_taken_is_a_conflict_with_the_number_of_its_rule() -> None:
    assert (PlateTaken.code, PlateTaken.rule) == ("plate-has-open-product", "P2")
    assert (DeviceNumberTaken.code, DeviceNumberTaken.rule) == ("device-number-taken", "P1")
    assert issubclass(PlateTaken, Conflict)
    assert issubclass(DeviceNumberTaken, Conflict)
