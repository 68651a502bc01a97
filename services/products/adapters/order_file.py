"""A file of orders: CSV as spreadsheets write it, read into rows of cells. What a row orders: `bulk_order`.

The first line names the columns, in any order and in capital letters or not: `kind` always; `country` and `plate`; for
eTickets `vin`, `vehicle_type`, `trips`, and `details_are_right` and `may_be_used_everywhere` with a yes in them;
`reference` where there is one. They are separated by commas or by semicolons. Empty lines do not count.

P6   No refusal repeats what stands in a file.
"""

import base64
import binascii
import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence

import orjson

from services.products.domain.bulk_order import COLUMNS, MOST_ROWS, SURPLUS, Cells, FileTooLong, Identity
from shared.errors import Invalid


class FileNotBase64(Invalid):
    """The file is sent as its bytes in base64."""

    code = "file-not-base64"


class FileNotUtf8(Invalid):
    """The file is not written in UTF-8 (but in Latin-1, perhaps): save it as "CSV UTF-8" and send it again."""

    code = "file-not-utf-8"


class FileNotCsv(Invalid):
    """The file cannot be read as CSV: a quotation mark is not closed, or it holds what no text does."""

    code = "file-not-csv"


class FileEmpty(Invalid):
    """There is no order in the file."""

    code = "file-empty"


class ColumnsUnclear(Invalid):
    """The first line names the columns: kind always, each of them once, and none but those that there are."""

    code = "file-columns-unclear"

    def __init__(self, column: int) -> None:
        super().__init__(column=column, known=", ".join(COLUMNS))


def content_of(text: str) -> bytes:
    """The bytes of a file that was sent as text. Raises FileNotBase64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FileNotBase64 from None


def rows_of(content: bytes) -> list[tuple[int, Cells]]:
    """The rows of a file, each with the number of the line that it ends on.

    Raises FileNotUtf8, FileNotCsv, FileEmpty, FileTooLong, ColumnsUnclear.
    """
    text = _text(content)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    try:
        columns = _columns(next(lines, []))
        rows = [(lines.line_num, _cells(columns, row)) for row in _not_empty(lines)]
    except csv.Error:
        raise FileNotCsv(line=lines.line_num) from None
    if not rows:
        raise FileEmpty
    return rows


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as undecodable:
        raise FileNotUtf8(line=content.count(b"\n", 0, undecodable.start) + 1) from None
    if "\0" in text:
        raise FileNotCsv(line=text.count("\n", 0, text.index("\0")) + 1)
    return text


def _separator(text: str) -> str:
    first, _, _ = text.partition("\n")
    return ";" if first.count(";") > first.count(",") else ","


def _columns(named: Sequence[str]) -> list[str]:
    if not named:
        raise FileEmpty
    columns = ["_".join(name.casefold().replace("-", " ").replace("_", " ").split()) for name in named]
    for number, column in enumerate(columns, start=1):
        if column not in COLUMNS or column in columns[: number - 1]:
            raise ColumnsUnclear(number)
    if "kind" not in columns:
        raise ColumnsUnclear(len(columns) + 1)
    return columns


def _not_empty(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    count = 0
    for row in lines:
        if any(cell.strip() for cell in row):
            count += 1
            if count > MOST_ROWS:
                raise FileTooLong(most=MOST_ROWS)
            yield row


def _cells(columns: Sequence[str], row: Sequence[str]) -> Cells:
    surplus = "".join(row[len(columns) :]).strip()
    return {column: cell.strip() for column, cell in zip(columns, row, strict=False)} | {SURPLUS: surplus}


def products_of(rows: Iterable[Identity]) -> list[str]:
    """The product that each row makes: always the same one for the same row."""
    return [f"product-{hashlib.sha256(orjson.dumps(row)).hexdigest()[:32]}" for row in rows]
