"""deploy/contracts says what the code says, and history stays readable."""

import json
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from eventsourcing.persistence import Notification
from jsonschema import Draft7Validator, Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from deploy import asyncapi, contracts
from deploy.contracts import FOLDER, IncompatibleError
from deploy.samples import NoSampleError, sample_of
from shared.envelope import attributes, to_state, wire
from shared.events import Event, Plain, Privacy, Pseudonym, UnclassedFieldError, decode, privacy_of, upcast

EVENTS = {event.type: event for event in contracts.events()}
RELEASED = sorted(file.stem for file in (FOLDER / "samples").glob("*.json"))
SPECIFICATION = Path(__file__).with_name("asyncapi-3.0.0.schema.json")


def read(*path: str) -> Any:
    return json.loads(FOLDER.joinpath(*path).read_text())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The contracts as they are, in a folder that a test may change."""
    shutil.copytree(FOLDER, tmp_path / "contracts")
    return tmp_path / "contracts"


def test_the_contracts_are_what_the_code_says() -> None:
    assert contracts.stale() == [], "run `make contracts` and commit what it writes"


def test_what_is_missing_changed_or_left_over_is_noticed_and_put_right(copy: Path) -> None:
    (copy / "asyncapi.json").write_text("{}\n")
    (copy / "openapi" / "profiles.json").unlink()
    (copy / "openapi" / "ferries.json").write_text("{}\n")
    wrong = ["asyncapi.json", "openapi/ferries.json", "openapi/profiles.json"]
    assert contracts.stale(copy) == wrong
    assert contracts.write(copy) == wrong
    assert contracts.stale(copy) == []


def test_a_sample_is_made_once_and_never_written_again(copy: Path) -> None:
    sample = copy / "samples" / "profiles.profile-created.v1.json"
    told_otherwise = sample.read_text().replace("Anna Lund", "Anna Krogh")
    sample.write_text(told_otherwise)
    contracts.write(copy)
    assert sample.read_text() == told_otherwise


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_has_a_schema_and_a_sample(name: str) -> None:
    assert (FOLDER / "schemas" / f"{name}.json").exists()
    assert (FOLDER / "samples" / f"{name}.json").exists()


@pytest.mark.parametrize("name", RELEASED)
def test_a_sample_is_valid_by_its_schema(name: str) -> None:
    schema = read("schemas", f"{name}.json")
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(read("samples", f"{name}.json")["value"])


@pytest.mark.parametrize("name", RELEASED)
def test_a_sample_of_every_version_ever_released_can_be_read(name: str) -> None:
    sample = read("samples", f"{name}.json")
    recorded = attributes(headers_of(sample)).with_data(orjson.dumps(sample["value"]))
    assert recorded.stream == sample["key"]


@pytest.mark.parametrize("name", EVENTS)
def test_a_sample_of_a_current_version_is_written_again_to_the_same_bytes(name: str) -> None:
    sample = read("samples", f"{name}.json")
    recorded = attributes(headers_of(sample)).with_data(orjson.dumps(sample["value"]))
    stored = Notification(recorded.stream, recorded.version, recorded.type, to_state(recorded), id=recorded.position)
    headers, value = wire(recorded.source, stored)
    assert value == orjson.dumps(sample["value"])
    assert headers == headers_of(sample)


@pytest.mark.parametrize("name", EVENTS)
def test_every_field_of_every_event_says_what_it_is_to_privacy(name: str) -> None:
    fields = read("schemas", f"{name}.json")["properties"]
    classes = {field: privacy_of(info) for field, info in EVENTS[name].model_fields.items()}
    assert {field: Privacy(schema["x-privacy"]) for field, schema in fields.items()} == classes


def test_an_event_with_an_unclassed_field_cannot_be_declared() -> None:
    with pytest.raises(UnclassedFieldError, match="nickname"):

        class Nicknamed(Event):
            nickname: str


def test_a_field_that_no_sample_knows_is_asked_for() -> None:
    class FerryBoarded(Event):
        berth: Plain[int]

    with pytest.raises(NoSampleError, match="berth"):
        sample_of(FerryBoarded)


def test_an_older_version_stays_readable_through_its_upcaster(copy: Path) -> None:
    class ShopNamed(Event, type="shop.named.v2"):
        shop_id: Pseudonym[str]
        title: Plain[str]

    release(copy, "shop.named.v1", {"shop_id": "shop-1", "name": "Havnekiosken"})
    with pytest.raises(IncompatibleError, match=r"shop\.named\.v1"):
        contracts.contents(copy)

    upcast("shop.named.v1", "shop.named.v2")(lambda old: {"shop_id": old["shop_id"], "title": old["name"]})
    written = contracts.contents(copy)
    assert {"samples/shop.named.v1.json", "schemas/shop.named.v1.json"} <= written.keys()
    assert decode("shop.named.v1", read_from(copy, "shop.named.v1")) == ShopNamed(
        shop_id="shop-1", title="Havnekiosken"
    )
    assert "shop.named.v1" in json.loads(written["asyncapi.json"])["channels"]["shop"]["messages"]


def test_a_released_event_cannot_be_changed_so_that_an_old_subscriber_could_not_read_it(
    database: str, copy: Path
) -> None:
    file = copy / "schemas" / "products.product-closed.v1.json"
    released = json.loads(file.read_text())
    released["properties"]["reason"] = {"type": "string", "x-privacy": "none"}
    released["required"].append("reason")
    file.write_text(json.dumps(released))
    with pytest.raises(IncompatibleError, match=r"products\.product-closed\.v1 .* reason: removed"):
        contracts.write(copy)
    assert json.loads(file.read_text()) == released


def test_a_released_event_cannot_be_forgotten(copy: Path) -> None:
    release(copy, "products.product-lost.v1", {"product_id": "product-1"})
    with pytest.raises(IncompatibleError, match=r"products\.product-lost\.v1 is released and cannot be read any more"):
        contracts.write(copy)


def test_the_asyncapi_document_is_valid() -> None:
    specification = Draft7Validator(json.loads(SPECIFICATION.read_text()))
    assert [f"{wrong.json_path}: {wrong.message}" for wrong in specification.iter_errors(document())] == []


def test_an_asyncapi_document_that_is_not_valid_is_noticed() -> None:
    broken = document()
    del broken["channels"]["profiles"]["messages"]
    broken["operations"]["receive-profiles"]["action"] = "listen"
    assert not Draft7Validator(json.loads(SPECIFICATION.read_text())).is_valid(broken)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    whole = document()
    references = list(references_in(whole))
    assert references
    for reference in references:
        found = whole
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_every_released_event_is_a_message_of_its_topic() -> None:
    channels = document()["channels"]
    for name in RELEASED:
        service = name.split(".")[0]
        assert name in channels[service]["messages"]
        assert channels[service]["address"] == f"selfservice.{service}.events"
        assert channels[service]["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] == -1


def test_the_headers_of_a_record_are_the_described_ones() -> None:
    always = {name for name, (_, always) in asyncapi.HEADERS.items() if always}
    for name in RELEASED:
        headers = read("samples", f"{name}.json")["headers"].keys()
        assert always <= headers <= asyncapi.HEADERS.keys()


@pytest.mark.parametrize("service", contracts.services("service.py"))
def test_the_openapi_document_of_a_service_is_valid_and_every_operation_is_named(service: str) -> None:
    written = read("openapi", f"{service}.json")
    OpenAPIV31SpecValidator(written).validate()
    operations = [operation for path in written["paths"].values() for operation in path.values()]
    assert operations
    assert all(operation["operationId"] and operation["summary"] for operation in operations)


def document() -> Any:
    return read("asyncapi.json")


def references_in(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for value in part.values() for found in references_in(value)]
    return [found for value in part for found in references_in(value)] if isinstance(part, list) else []


def headers_of(sample: Any) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in sample["headers"].items()]


def read_from(folder: Path, name: str) -> Any:
    return json.loads((folder / "samples" / f"{name}.json").read_text())["value"]


def release(folder: Path, name: str, value: dict[str, str]) -> None:
    """Make it look as if this version had been released."""
    sample = read("samples", "products.product-closed.v1.json") | {"value": value}
    schema = {
        "title": "Earlier",
        "description": "As it was.",
        "type": "object",
        "properties": {field: {"type": "string", "x-privacy": "none"} for field in value},
        "required": list(value),
    }
    (folder / "samples" / f"{name}.json").write_text(json.dumps(sample))
    (folder / "schemas" / f"{name}.json").write_text(json.dumps(schema))
