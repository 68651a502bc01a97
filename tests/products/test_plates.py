"""P2: how number plates are written, and when two are the same plate; the device number of P1 and the VIN of P3."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.products.domain.devices import DeviceNumberMalformed, DeviceNumberTaken, device_number
from services.products.domain.plates import (
    CountryUnknown,
    PlateMalformed,
    PlateTaken,
    country_code,
    normalised,
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


@pytest.mark.parametrize("code", ["", "D", "DNK", "XX", "D K"])
def test_p2_another_country_is_refused(code: str) -> None:
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
