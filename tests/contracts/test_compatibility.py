"""The gate of released events, case by case."""

from typing import Any

import pytest

from deploy.compatibility import breaks

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}


def event(required: list[str] | None = None, **fields: Schema) -> Schema:
    return {"type": "object", "properties": fields, "required": required or list(fields)}


RELEASED = event(
    product_id=TEXT,
    trips={"type": "integer"},
    plate={"anyOf": [TEXT, {"type": "null"}]},
    because={"type": "string", "enum": ["revoked", "product-closed"]},
    about={"type": "array", "items": TEXT},
    closed_at={"type": "string", "format": "date-time"},
)


def changed(**fields: Schema | None) -> Schema:
    """The released event with some fields put in place of others; None removes one."""
    kept = {**RELEASED["properties"], **fields}
    return event(**{name: schema for name, schema in kept.items() if schema is not None})


@pytest.mark.parametrize(
    ("new", "what"),
    [
        (changed(trips=None), "trips: removed"),
        (changed(journeys={"type": "integer"}), "journeys: added"),
        (changed(trips=TEXT), "trips: was integer, is string"),
        (changed(trips={"anyOf": [{"type": "integer"}, {"type": "null"}]}), "trips: was integer, is null"),
        (changed(plate={"type": "integer"}), "plate: integer is none of string, null"),
        (changed(because={"type": "string", "enum": ["revoked", "expired"]}), "because: new values ['expired']"),
        (changed(because=TEXT), "because: had fixed values, has any"),
        (changed(about={"type": "array", "items": {"type": "integer"}}), "about[]: was string, is integer"),
        (changed(closed_at=TEXT), "closed_at: format was 'date-time', is None"),
        (changed(about=event(trips=TEXT)), "about: was array, is object"),
        ({**RELEASED, "required": ["product_id"]}, "trips: was always there, need not be any more"),
    ],
)
def test_what_an_old_subscriber_could_not_read_is_refused(new: Schema, what: str) -> None:
    assert what in list(breaks(RELEASED, new))


def test_a_renamed_field_is_one_removed_and_one_added() -> None:
    new = changed(trips=None, journeys={"type": "integer"})
    assert sorted(breaks(RELEASED, new)) == ["journeys: added", "trips: removed"]


@pytest.mark.parametrize(
    "new",
    [
        RELEASED,
        {**RELEASED, "description": "Said better."},
        changed(plate={"type": "string", "x-privacy": "personal"}),
        changed(because={"const": "revoked", "type": "string"}),
        changed(product_id={"type": "string", "maxLength": 80}),
    ],
)
def test_saying_it_better_or_more_narrowly_is_allowed(new: Schema) -> None:
    assert list(breaks(RELEASED, new)) == []


def test_who_reads_anything_reads_everything() -> None:
    assert list(breaks({"description": "Whatever."}, RELEASED)) == []
