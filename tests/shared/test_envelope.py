"""The envelope: the same event in the store, on the wire and at the subscriber."""

import dataclasses
from datetime import UTC, datetime

import orjson
import pytest
from eventsourcing.persistence import Notification
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.actor import Actor
from shared.envelope import MalformedEnvelopeError, Recorded, attributes, from_state, to_state, wire
from shared.events import UnknownEventError
from tests.shared.shop import NoteAdded, ProductOrdered

ORDERED = Recorded(
    id="0192f1",
    source="shop",
    stream="product-1",
    version=3,
    position=41,
    time=datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC),
    actor=Actor("profile", "profile-anna"),
    grant="account-administrator:account-9",
    correlation="request-1",
    causation="event-0",
    data=ProductOrdered(product_id="product-1", plate='Æ"Ø,"data":Å\\'),
)


def stored(recorded: Recorded) -> Notification:
    return Notification(recorded.stream, recorded.version, recorded.type, to_state(recorded), id=recorded.position)


def headers_and(**changed: bytes | None) -> list[tuple[str, bytes | None]]:
    """Good headers, with some of the `ce_` ones changed."""
    good, _ = wire("shop", stored(ORDERED))
    return [(name, changed.get(name.removeprefix("ce_"), value)) for name, value in good]


def test_an_event_comes_back_from_the_store_as_it_was() -> None:
    assert from_state("shop", stored(ORDERED)) == ORDERED


def test_an_event_comes_back_from_the_wire_as_it_was() -> None:
    headers, value = wire("shop", stored(ORDERED))
    assert attributes(headers).with_data(value) == ORDERED


def test_what_is_not_there_comes_back_as_nothing() -> None:
    system = dataclasses.replace(ORDERED, grant=None, causation=None)
    headers, value = wire("shop", stored(system))
    assert attributes(headers).with_data(value) == system
    assert {"ce_grant", "ce_causationid"}.isdisjoint(dict(headers))


def test_the_value_on_the_wire_is_the_stored_event_byte_for_byte() -> None:
    notification = stored(ORDERED)
    _, value = wire("shop", notification)
    assert value == ORDERED.data.to_json()
    assert notification.state.endswith(b'"data":' + value + b"}")


@given(st.text(), st.text(min_size=1))
def test_whatever_people_write_comes_through(text: str, correlation: str) -> None:
    try:
        noted = dataclasses.replace(ORDERED, correlation=correlation, data=NoteAdded(product_id="product-1", note=text))
    except ValidationError:
        return  # a lone surrogate is no text
    assert from_state("shop", stored(noted)) == noted
    _, value = wire("shop", stored(noted))
    assert value == noted.data.to_json()


def test_it_is_a_cloud_event() -> None:
    headers = dict(wire("shop", stored(ORDERED))[0])
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_type"] == b"shop.product-ordered.v1"
    assert headers["ce_source"] == b"shop"
    assert headers["ce_subject"] == b"product-1"
    assert headers["ce_time"] == b"2026-03-01T12:30:15.250000Z"
    assert headers["content-type"] == b"application/json"


@pytest.mark.parametrize(
    "name",
    ["specversion", "id", "type", "source", "stream", "version", "position", "time", "actor", "correlationid"],
)
def test_a_header_that_is_missing_or_null_or_empty_is_refused(name: str) -> None:
    without = [(header, value) for header, value in headers_and() if header != f"ce_{name}"]
    for headers in (without, headers_and(**{name: None}), headers_and(**{name: b""})):
        with pytest.raises(MalformedEnvelopeError):
            attributes(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("specversion", b"0.3"),
        ("version", b"0"),
        ("version", b"-1"),
        ("version", b"1.0"),
        ("version", b"1_0"),
        ("version", "١".encode()),
        ("version", b"9223372036854775808"),
        ("position", b"first"),
        ("time", b"yesterday"),
        ("time", b"2026-03-01T12:30:15"),
        ("actor", b"anna"),
        ("stream", b"\xff\xfe"),
        ("stream", b"product-\x001"),
        ("type", b"shop.\nproduct"),
        ("stream", b"p" * 501),
    ],
)
def test_a_header_that_is_not_what_it_should_be_is_refused(name: str, value: bytes) -> None:
    with pytest.raises(MalformedEnvelopeError):
        attributes(headers_and(**{name: value}))


def test_a_header_that_is_twice_there_is_refused() -> None:
    with pytest.raises(MalformedEnvelopeError, match="twice"):
        attributes([*headers_and(), ("ce_actor", b"staff:staff-1")])


def test_headers_of_others_are_left_alone() -> None:
    more = [("traceparent", b"00-abc"), ("traceparent", None), ("x", b"\xff")]
    assert attributes([*headers_and(), *more]).id == ORDERED.id


def test_the_reason_why_a_header_is_refused_tells_no_values() -> None:
    with pytest.raises(MalformedEnvelopeError) as refused:
        attributes(headers_and(actor=b"anna@nordlys.example.com"))
    assert "anna@" not in str(refused.value)


def test_an_event_of_an_unknown_type_or_content_is_refused_only_when_it_is_read() -> None:
    placed = attributes(headers_and(type=b"shop.product-teleported.v1"))
    with pytest.raises(UnknownEventError):
        placed.with_data(b"{}")
    with pytest.raises(orjson.JSONDecodeError):
        attributes(headers_and()).with_data(b"\xff")
    with pytest.raises(ValidationError):
        attributes(headers_and()).with_data(b'{"product_id": "product-1"}')
