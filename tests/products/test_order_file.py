"""Bulk orders: what a file may look like, what its rows order, and when two rows are the same order."""

import base64
import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.products.adapters.order_file import (
    ColumnsUnclear,
    FileEmpty,
    FileNotBase64,
    FileNotCsv,
    FileNotUtf8,
    content_of,
    products_of,
    rows_of,
)
from services.products.domain.bulk_order import (
    MOST_ROWS,
    BulkOrder,
    CellNotForKind,
    FileTooLong,
    KindUnknown,
    Order,
    RowTooLong,
    Wrong,
    evolve,
    finish,
    identities,
    order_of,
    receive,
)
from services.products.events import BulkOrderFinished, BulkOrderReceived
from shared.errors import Invalid

HEADER = "kind,country,plate,vin,vehicle_type,trips,details_are_right,may_be_used_everywhere,reference\n"
TICKET = "eticket,SE,ABC 123,wvwzzz1jzxw000001,lorry,2,yes,yes,Malmö\n"
ACCOUNT = "account-1"


def orders(text: str) -> list[Order | Wrong]:
    return [order_of(cells) for _, cells in rows_of(text.encode())]


def order(row: str) -> Order:
    (found,) = orders(HEADER + row)
    assert isinstance(found, Order), found
    return found


def wrong(row: str) -> tuple[str | None, str]:
    (found,) = orders(HEADER + row)
    assert isinstance(found, Wrong), found
    return found.column, found.refusal.code


def test_a_row_orders_a_product_of_any_kind_in_the_form_that_rules_keep() -> None:
    assert order("bizz,,,,,,,, Van  12 \n") == Order("bizz", "Van 12")
    assert order("Number-Plate-Payment,dk,ab 12-345\n") == Order("number-plate-payment", None, "DK", "AB12345")
    assert order(TICKET) == Order("eticket", "Malmö", "SE", "ABC123", "WVWZZZ1JZXW000001", "lorry", 2, True, True)


@pytest.mark.parametrize("yes", ["yes", "YES", "true", "1", "x", "ja"])
def test_p3_a_confirmation_is_a_yes_however_a_spreadsheet_writes_it(yes: str) -> None:
    assert order(TICKET.replace("yes", yes)).may_be_used_everywhere


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ("boat\n", "kind", "kind-unknown"),
        (",DK,AB12345\n", "kind", "kind-unknown"),
        ("number-plate-payment,DA,AB12345\n", "country", "country-unknown"),
        ("number-plate-payment,,AB12345\n", "country", "country-unknown"),
        ("number-plate-payment,DK,?\n", "plate", "plate-malformed"),
        (TICKET.replace("wvwzzz1jzxw000001", "short"), "vin", "vin-malformed"),
        (TICKET.replace("lorry", "spaceship"), "vehicle_type", "vehicle-type-unknown"),
        (TICKET.replace(",2,", ",3,"), "trips", "trips-out-of-range"),
        (TICKET.replace(",2,", ",two,"), "trips", "trips-out-of-range"),
        (TICKET.replace("2,yes", "2,no"), "details_are_right", "eticket-not-confirmed"),
        (TICKET.replace("2,yes,yes", "2,yes,"), "may_be_used_everywhere", "eticket-not-confirmed"),
        ("bizz,,,,,,,,4111 1111 1111 1111\n", "reference", "looks-like-a-card-number"),
        (f"bizz,,,,,,,,{'x' * 61}\n", "reference", "text-malformed"),
        ("bizz,,AB12345\n", "plate", "cell-not-for-kind"),
        ("number-plate-payment,DK,AB12345,,,1\n", "trips", "cell-not-for-kind"),
        ("bizz,,,,,,,,Van,more\n", None, "row-too-long"),
    ],
)
def test_p1_p2_p3_p5_a_row_that_is_no_order_says_in_which_column_and_by_which_rule(
    row: str, column: str | None, code: str
) -> None:
    assert wrong(row) == (column, code)


def test_p6_what_is_wrong_with_a_row_does_not_repeat_what_stands_in_it() -> None:
    for row in ("bizz,,,,,,,,4111 1111 1111 1111\n", "boat-4111\n", "number-plate-payment,DK,!4111\n"):
        (found,) = orders(HEADER + row)
        assert isinstance(found, Wrong)
        assert "4111" not in found.refusal.detail + str(found.refusal.facts)


def test_columns_are_separated_by_commas_or_semicolons_and_stand_in_any_order() -> None:
    same = Order("number-plate-payment", "Van; 1, red", "DK", "AB12345")
    for text in (
        'kind,country,plate,reference\nnumber-plate-payment,DK,AB12345,"Van; 1, red"\n',
        'plate;kind;Reference;COUNTRY\r\nAB12345;number-plate-payment;"Van; 1, red";DK\r\n',
        '\ufeffkind;country;plate;reference\nnumber-plate-payment;DK;AB12345;"Van; 1, red"',
    ):
        assert orders(text) == [same]
    assert orders("Kind;Vehicle type;VIN\nbizz;;\n") == [Order("bizz")]


def test_rows_are_told_by_the_line_that_they_end_on_and_empty_lines_do_not_count() -> None:
    read = rows_of(b'kind,reference\nbizz,A\n\n,\n"bizz","B\nb"\nbizz,C\n')
    assert [(line, cells["reference"]) for line, cells in read] == [(2, "A"), (6, "B\nb"), (7, "C")]


@pytest.mark.parametrize(
    ("content", "refusal", "facts"),
    [
        ("kind,reference\nbizz,Ærø\n".encode("latin-1"), FileNotUtf8, {"line": 2}),
        ("kind,reference\nbizz,Ærø\n".encode("utf-16"), FileNotUtf8, {"line": 1}),
        (b"kind\0\n", FileNotCsv, {"line": 1}),
        (b'kind,reference\nbizz,"Van\n', FileNotCsv, {"line": 2}),
        (b'kind,reference\nbizz,"Van"12\n', FileNotCsv, {"line": 2}),
        (b"", FileEmpty, {}),
        (b"kind,reference\n", FileEmpty, {}),
        (b"kind,colour\nbizz,red\n", ColumnsUnclear, None),
        (b"kind,plate,Plate\nbizz\n", ColumnsUnclear, None),
        (b"country,plate\nDK,AB12345\n", ColumnsUnclear, None),
        (b"bizz,,,\n", ColumnsUnclear, None),
        (b"kind\n" + b"bizz\n" * (MOST_ROWS + 1), FileTooLong, {"most": MOST_ROWS}),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_told_why_and_where(
    content: bytes, refusal: type[Invalid], facts: dict[str, int] | None
) -> None:
    with pytest.raises(refusal) as refused:
        rows_of(content)
    assert facts is None or refused.value.facts == facts


def test_as_many_rows_as_are_taken_at_once_are_read() -> None:
    assert len(rows_of(b"kind\n" + b"bizz\n" * MOST_ROWS)) == MOST_ROWS


def test_a_file_is_sent_as_its_bytes_in_base64() -> None:
    assert content_of(base64.b64encode("Ærø".encode()).decode()) == "Ærø".encode()
    for text in ("kind,country\n", "a", "Ærø=", "a2lu ZA=="):
        with pytest.raises(FileNotBase64):
            content_of(text)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_file_is_read_or_refused_by_name(content: bytes) -> None:
    try:
        rows = rows_of(content)
    except Invalid:
        return
    assert rows


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
KINDS = st.sampled_from(["bizz", "eticket", "number-plate-payment", "boat", ""])


@given(st.lists(st.tuples(KINDS, CELLS, CELLS, CELLS), min_size=1, max_size=8), st.sampled_from(",;"))
def test_any_row_is_an_order_or_said_to_be_wrong_by_name(rows: list[Sequence[str]], separator: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([("kind", "country", "plate", "reference"), *rows])
    try:
        found = orders(text.getvalue())
    except FileEmpty:
        return
    assert all(isinstance(each, Order) or each.refusal.code for each in found)


# When two rows are the same order -------------------------------------------------------------------------------------

BIZZ, VAN, PLATE = Order("bizz"), Order("bizz", "Van"), Order("number-plate-payment", None, "DK", "AB12345")
FILE = [BIZZ, VAN, PLATE, BIZZ]


def made(rows: Sequence[Order], account: str = ACCOUNT, name: str | None = None) -> list[str]:
    return products_of(identities(rows, account_id=account, name=name))


def test_rows_that_are_alike_are_as_many_products() -> None:
    assert len(set(made(FILE))) == 4


@given(st.permutations(FILE))
def test_the_same_rows_in_another_sequence_make_the_same_products(rows: list[Order]) -> None:
    assert set(made(rows)) == set(made(FILE))


def test_a_row_more_or_less_changes_nothing_about_the_others() -> None:
    assert set(made([Order("bizz", "New"), *FILE])) > set(made(FILE)) > set(made(FILE[1:]))


def test_another_spelling_is_no_other_order() -> None:
    assert made([order("number-plate-payment,dk,ab-12 345\n")]) == made([PLATE])


def test_another_account_or_another_name_of_the_file_makes_other_products() -> None:
    every = [*made(FILE), *made(FILE, "account-2"), *made(FILE, name="March"), *made(FILE, name="April")]
    assert len(set(every)) == 16


# Its history ----------------------------------------------------------------------------------------------------------


def received(rows: int, mode: str = "per-row") -> list[object]:
    asked = {"bulk_id": "bulk-1", "account_id": ACCOUNT, "company_id": "company-1", "mode": mode, "name": None}
    return list(receive(BulkOrder(), rows=rows, **asked))  # type: ignore[arg-type]


def test_a_file_that_is_ordered_whole_or_not_at_all_has_fewer_rows() -> None:
    assert len(received(200, "all-or-nothing")) == len(received(2000)) == 1
    with pytest.raises(FileTooLong):
        received(201, "all-or-nothing")


def test_a_bulk_order_is_received_and_finished_once() -> None:
    (event,) = received(3)
    assert isinstance(event, BulkOrderReceived)
    bulk = evolve(BulkOrder(), event)
    done = finish(bulk, done=1, refused=1, invalid=1, not_ordered=0)
    assert [type(each) for each in done] == [BulkOrderFinished]
    assert finish(evolve(bulk, done[0]), done=1, refused=1, invalid=1, not_ordered=0) == []
    again = {"bulk_id": "bulk-1", "account_id": ACCOUNT, "company_id": "company-1", "name": None, "rows": 3}
    assert receive(bulk, mode="per-row", **again) == []  # type: ignore[arg-type]


def test_the_codes_of_refusals_are_their_own() -> None:
    codes = [r.code for r in (KindUnknown, CellNotForKind, RowTooLong, FileNotUtf8, FileNotCsv, FileEmpty, FileTooLong)]
    assert len(set(codes)) == len(codes)
