"""P8: receipts of journeys that were paid by card, in Danish and in English, as a page and as a PDF."""

import re
import zlib
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import httpx
import pytest

from tests.feed import SUSANNE
from tests.products.conftest import ANNA, BIZZ, DORA, METTE, PLATE_PAYMENT, World, name
from tests.products.driven import Journey, drive

PAID = Journey("j-1", payment="card", amount=Decimal("1234.50"), vat=Decimal("246.90"))


async def receipt(world: World, product: str, more: str = "") -> httpx.Response:
    answer = await world.asked_by(ANNA)("GET", f"/products/{product}/receipt?journey_id=j-1{more}")
    assert answer.status_code == 200, answer.text
    return answer


def lines(page: str) -> dict[str, str]:
    """The table of a receipt, as a browser reads it."""
    cells: list[str] = []

    class Cells(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 (as HTMLParser calls it)
            if tag in {"th", "td"}:
                cells.append("")

        def handle_data(self, data: str) -> None:
            if cells and data.strip():
                cells[-1] += data

    Cells().feed(page)
    return dict(zip(cells[::2], cells[1::2], strict=True))


def text_of(pdf: bytes) -> str:
    """What is drawn in a PDF, one text after the other."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    drawn = b"".join(zlib.decompress(stream) for stream in streams)
    parts = re.findall(rb"\(((?:\\.|[^\\()])*)\) Tj", drawn, re.DOTALL)
    return " ".join(re.sub(rb"\\(.)", rb"\1", part).decode("latin-1") for part in parts)


async def test_p8_a_receipt_in_danish_shows_price_vat_and_the_hour_in_copenhagen(world: World, database: str) -> None:
    van = await world.ordered(PLATE_PAYMENT | {"reference": "Bil 12"})
    drive(database, [PAID.but("j-1", product_id=van, at=datetime(2026, 10, 25, 0, 30, tzinfo=UTC))])
    answer = await receipt(world, van)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="da">' in answer.text
    assert lines(answer.text) == {
        "Kvittering nr.": "j-1",
        "Tidspunkt": "25.10.2026 kl. 02.30 (UTC+2)",
        "Sted": "Storebælt",
        "Produkt": "Nummerpladebetaling",
        "Nummerplade": "AB12345",
        "Reference": "Bil 12",
        "Betaling": "Betalingskort",
        "Pris uden moms": "987,60 DKK",
        "Moms": "246,90 DKK",
        "I alt inkl. moms": "1.234,50 DKK",
    }


async def test_p8_a_receipt_in_english_shows_the_same(world: World, database: str) -> None:
    van = await world.ordered(BIZZ)
    drive(database, [PAID.but("j-1", product_id=van)])
    told = lines((await receipt(world, van, "&language=en")).text)
    assert told["Time"] == "2026-03-02 13:00 (UTC+1)"
    assert (told["Price without VAT"], told["VAT"]) == ("987.60 DKK", "246.90 DKK")
    assert told["Total including VAT"] == "1,234.50 DKK"
    assert list(told.values())[3:5] == ["Bizz", "Van 12"]


@pytest.mark.parametrize("language", ["da", "en"])
async def test_p8_the_pdf_says_what_the_page_says_and_is_the_same_every_time(
    world: World, database: str, language: str
) -> None:
    van = await world.ordered(PLATE_PAYMENT | {"reference": "Rød bil (på Fyn)"})
    drive(database, [PAID.but("j-1", product_id=van)])
    made = await receipt(world, van, f"&as=pdf&language={language}")
    assert made.headers["content-type"] == "application/pdf"
    assert made.headers["content-disposition"] == 'attachment; filename="receipt.pdf"'
    assert made.content.startswith(b"%PDF-")
    drawn = text_of(made.content)
    for word, value in lines((await receipt(world, van, f"&language={language}")).text).items():
        assert word in drawn
        assert value in drawn
    assert (await receipt(world, van, f"&as=pdf&language={language}")).content == made.content


async def test_p8_letters_that_the_pdfs_font_does_not_have_are_question_marks_there(
    world: World, database: str
) -> None:
    van = await world.ordered({"kind": "bizz", "reference": "Łódź 漢字 🚚"})
    drive(database, [PAID.but("j-1", product_id=van)])
    assert lines((await receipt(world, van)).text)["Reference"] == "Łódź 漢字 🚚"
    assert "?ód? ?? ?" in text_of((await receipt(world, van, "&as=pdf")).content)


async def test_p8_a_long_text_goes_on_in_the_next_line_of_a_pdf(world: World, database: str) -> None:
    van = await world.ordered({"kind": "bizz", "reference": "lang " * 11})
    drive(database, [PAID.but("j-1", product_id=van, place="Æ" * 200)])
    assert (await receipt(world, van, "&as=pdf")).content.count(b"/Type /Page\n") == 1


async def test_p8_nothing_of_the_customers_text_is_markup_on_the_page(world: World, database: str) -> None:
    evil = "</td><script>alert(1)</script>\"'&amp;"
    van = await world.ordered({"kind": "bizz", "reference": evil})
    drive(database, [PAID.but("j-1", product_id=van, place=evil)])
    answer = await receipt(world, van)
    assert "<script" not in answer.text
    assert lines(answer.text)["Reference"] == lines(answer.text)["Sted"] == evil


async def test_a6_a_receipt_is_given_to_whoever_has_access_to_its_product(world: World, database: str) -> None:
    van = await world.ordered(BIZZ)
    await world.drives(DORA, van)
    drive(database, [PAID.but("j-1", product_id=van)])
    for who in (ANNA, METTE, DORA, SUSANNE):
        assert (await world.asked_by(who)("GET", f"/products/{van}/receipt?journey_id=j-1")).status_code == 200


async def test_p8_of_what_is_paid_by_invoice_of_another_product_and_of_none_there_is_no_receipt(
    world: World, database: str
) -> None:
    van = await world.ordered(BIZZ)
    await world.drives(DORA, van)
    drive(database, [Journey("invoiced", van), PAID.but("lorry", product_id=name("product", 7))])
    for journey in ("invoiced", "lorry", "none"):
        for who in (ANNA, DORA, SUSANNE):
            answer = await world.asked_by(who)("GET", f"/products/{van}/receipt?journey_id={journey}")
            assert (answer.status_code, answer.json()["code"]) == (404, "no-receipt")
    assert (await world.asked_by(ANNA)("GET", f"/products/{van}/receipt")).status_code == 422
