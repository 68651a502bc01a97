"""Receipts of journeys that were paid by card, as a page and as a PDF, in Danish and in English (P8).

What stands on a receipt is said once, as lines of a word and a value; both forms show the same lines. Nothing of the
customer's own text is trusted: the page escapes it, and the PDF has no links, scripts or fields.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Final, Literal

from fpdf import FPDF

from services.products.events import Brand
from shared.database import Row

Language = Literal["da", "en"]
Line = tuple[str, str]
FONT: Final = "Helvetica"
"""Every reader of PDF has it, with the letters of western Europe; another one is shown as a question mark."""
A5: Final = (148, 210)
"""In millimetres."""

WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "da": {
        "receipt": "Kvittering",
        "journey_id": "Kvittering nr.",
        "at": "Tidspunkt",
        "place": "Sted",
        "product": "Produkt",
        "plate": "Nummerplade",
        "device_number": "Bizz-nummer",
        "reference": "Reference",
        "payment": "Betaling",
        "card": "Betalingskort",
        "ending": "{brand}, der ender på {last_four}",
        "net": "Pris uden moms",
        "vat": "Moms",
        "amount": "I alt inkl. moms",
        "bizz": "Bizz",
        "number-plate-payment": "Nummerpladebetaling",
        "eticket": "eTicket",
    },
    "en": {
        "receipt": "Receipt",
        "journey_id": "Receipt no.",
        "at": "Time",
        "place": "Place",
        "product": "Product",
        "plate": "Number plate",
        "device_number": "Bizz number",
        "reference": "Reference",
        "payment": "Paid by",
        "card": "Payment card",
        "ending": "{brand} ending in {last_four}",
        "net": "Price without VAT",
        "vat": "VAT",
        "amount": "Total including VAT",
        "bizz": "Bizz",
        "number-plate-payment": "Number plate payment",
        "eticket": "eTicket",
    },
}


def lines_of(journey: Row, language: Language) -> Iterator[Line]:
    """What stands on a receipt, line by line; what the product does not have is left out."""
    words = WORDS[language]
    yield words["journey_id"], journey["journey_id"]
    yield words["at"], _time(datetime.fromisoformat(journey["at"]), language)
    yield words["place"], journey["place"]
    if journey["kind"] is not None:
        yield words["product"], words[journey["kind"]]
    for name in ("plate", "device_number", "reference"):
        if journey[name] is not None:
            yield words[name], journey[name]
    yield words["payment"], _card(journey["card"], words)
    for name in ("net", "vat", "amount"):
        yield words[name], money(journey[name], journey["currency"], language)


def _card(card: Row | None, words: Mapping[str, str]) -> str:
    if card is None:
        return words["card"]
    brand = words["card"] if card["brand"] == Brand.OTHER else Brand(card["brand"]).called
    return words["ending"].format(brand=brand, last_four=card["last_four"])


def page(journey: Row, language: Language) -> str:
    """The receipt as a page of its own: it loads nothing, and needs nothing of whatever shows it."""
    title = escape(WORDS[language]["receipt"])
    rows = "\n".join(
        f'<tr><th scope="row" align="left">{escape(word)}</th><td align="right">{escape(value)}</td></tr>'
        for word, value in lines_of(journey, language)
    )
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        f'<body>\n<h1>{title}</h1>\n<table cellpadding="4">\n{rows}\n</table>\n</body>\n</html>\n'
    )


def pdf(journey: Row, language: Language) -> bytes:
    """The receipt as a PDF: the same bytes whenever it is asked for."""
    document = FPDF(format=A5)
    document.set_creation_date(datetime.fromisoformat(journey["at"]))
    document.set_title(WORDS[language]["receipt"])
    document.set_lang(language)
    document.add_page()
    document.set_font(FONT, style="B", size=18)
    document.cell(0, 14, WORDS[language]["receipt"], new_x="LMARGIN", new_y="NEXT")
    for word, value in lines_of(journey, language):
        document.set_font(FONT, style="B", size=10)
        document.cell(45, 7, _drawable(word))
        document.set_font(FONT, size=10)
        document.multi_cell(0, 7, _drawable(value), align="R", new_x="LMARGIN", new_y="NEXT")
    return bytes(document.output())


def money(amount: Decimal, currency: str, language: Language) -> str:
    """An amount as it is written in a language, with its currency."""
    written = f"{amount:,.2f}"
    if language == "da":
        written = written.translate(str.maketrans(",.", ".,"))
    return f"{written} {currency}"


def _time(at: datetime, language: Language) -> str:
    """The hour with its distance from UTC: one hour a year comes twice."""
    zone = f"UTC{at:%z}"[:-2].replace("+0", "+")
    return f"{at:%d.%m.%Y kl. %H.%M} ({zone})" if language == "da" else f"{at:%Y-%m-%d %H:%M} ({zone})"


def _drawable(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")
