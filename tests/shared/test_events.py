"""Events: named for ever, every field classed, older versions lifted."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from shared import events
from shared.events import Event, Personal, Plain, Pseudonym, UnclassedFieldError, UnknownEventError, decode, upcast


@pytest.fixture(autouse=True)
def undeclared_afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test declares is forgotten again."""
    monkeypatch.setattr(events, "_REGISTRY", dict(events._REGISTRY))
    monkeypatch.setattr(events, "_UPCASTERS", dict(events._UPCASTERS))
    return iter([None])


def renamed() -> type[Event]:
    class AccountRenamed(Event, type="test.account-renamed.v3"):
        account_id: Pseudonym[str]
        name: Plain[str]
        by: Personal[str | None] = None

    return AccountRenamed


def test_an_event_is_found_by_its_name_and_not_by_the_path_of_its_class() -> None:
    event = decode("test.account-renamed.v3", {"account_id": "account-1", "name": "Kørsel"}) if renamed() else None
    assert type(event).__name__ == "AccountRenamed"
    assert event is not None
    assert event.type == "test.account-renamed.v3"
    assert event.to_json() == '{"account_id":"account-1","name":"Kørsel","by":null}'.encode()


def test_a_name_is_given_once() -> None:
    renamed()
    with pytest.raises(ValueError, match="already the name of"):

        class Other(Event, type="test.account-renamed.v3"):
            account_id: Pseudonym[str]


def test_a_field_that_does_not_say_what_it_is_to_privacy_is_refused() -> None:
    with pytest.raises(UnclassedFieldError, match="Careless: say what email"):

        class Careless(Event, type="test.careless.v1"):
            profile_id: Pseudonym[str]
            email: str


def test_a_class_inside_an_optional_does_not_count() -> None:
    with pytest.raises(UnclassedFieldError):

        class HalfClassed(Event, type="test.half-classed.v1"):
            email: Personal[str] | None


@pytest.mark.parametrize(
    "content",
    [
        {"account_id": "account-1", "name": "x", "secret": "y"},
        {"account_id": "account-1"},
        {"account_id": 1, "name": "x"},
    ],
    ids=["unknown field", "missing field", "wrong type"],
)
def test_content_that_does_not_fit_is_refused(content: dict[str, Any]) -> None:
    renamed()
    with pytest.raises(ValidationError):
        decode("test.account-renamed.v3", content)


@pytest.mark.parametrize("content", [[], "text", 7, None])
def test_content_that_is_no_object_is_refused(content: Any) -> None:
    renamed()
    with pytest.raises(TypeError):
        decode("test.account-renamed.v3", content)


def test_an_event_cannot_be_changed() -> None:
    event = renamed().model_validate({"account_id": "account-1", "name": "Kørsel"})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(event, "name", "Other")  # noqa: B010 (its class is not known here)


def test_an_old_version_is_lifted_step_by_step() -> None:
    renamed()
    upcast("test.account-renamed.v1", "test.account-renamed.v2")(lambda old: {**old, "name": old["title"]})
    upcast("test.account-renamed.v2", "test.account-renamed.v3")(
        lambda old: {key: value for key, value in old.items() if key != "title"}
    )
    lifted = decode("test.account-renamed.v1", {"account_id": "account-1", "title": "Kørsel"})
    assert lifted.model_dump() == {"account_id": "account-1", "name": "Kørsel", "by": None}
    assert events.newest("test.account-renamed.v1") == "test.account-renamed.v3"


def test_a_version_is_lifted_one_way_only_and_never_in_a_ring() -> None:
    upcast("test.ring.v1", "test.ring.v2")(dict)
    with pytest.raises(ValueError, match="lifted already"):
        upcast("test.ring.v1", "test.ring.v3")
    with pytest.raises(ValueError, match="for ever"):
        upcast("test.ring.v2", "test.ring.v1")


def test_an_event_that_nobody_declared_is_unknown() -> None:
    with pytest.raises(UnknownEventError, match="no event is called"):
        decode(f"test.{uuid.uuid4()}.v1", {})


def test_a_service_knows_all_events_that_it_declared() -> None:
    declared = renamed()
    assert declared in list(events.declared("test"))
    assert declared not in list(events.declared("shop"))
