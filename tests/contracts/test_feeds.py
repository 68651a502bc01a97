"""What others write for us: the contract says what is taken, and takes for ever what it once took (P7)."""

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from deploy import contracts
from deploy.contracts import FOLDER, IncompatibleError
from services.products.adapters import journey_feed
from services.products.domain.journeys import Journey
from tests.contracts.test_contracts import document, read

NAMES = sorted(feed.record for feed in contracts.FEEDS.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_of_a_record_is_one_and_its_example_is_valid_by_it(name: str) -> None:
    schema = read("feeds", f"{name}.json")
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(schema["examples"][0])


def test_the_example_of_a_journey_is_taken() -> None:
    (example,) = read("feeds", "journey.v1.json")["examples"]
    assert isinstance(journey_feed.read(json.dumps(example).encode()).says, Journey)


def test_the_topic_of_a_feed_is_described_with_its_key_partitions_and_retention() -> None:
    channel = document()["channels"]["journeys"]
    bound = channel["bindings"]["kafka"]
    assert (channel["address"], bound["partitions"]) == ("selfservice.journeys.feed", 6)
    assert bound["topicConfiguration"]["retention.ms"] == 90 * 24 * 3600 * 1000
    assert document()["components"]["messages"]["journey.v1"]["bindings"]["kafka"]["key"]["description"] == "The `id`."
    assert document()["operations"]["send-journeys"]["action"] == "send"


def test_t05_the_topic_of_checkpoints_is_described_with_one_whole_note() -> None:
    channel = document()["channels"]["checkpoints"]
    bound = channel["bindings"]["kafka"]
    assert (channel["address"], bound["partitions"]) == ("selfservice.audit.checkpoints", 1)
    assert bound["topicConfiguration"]["retention.ms"] == -1, "kept for ever"
    (example,) = document()["components"]["messages"]["checkpoint"]["examples"]
    name, size, *_ = example["payload"].split("\n")
    assert (name, size) == ("selfservice.example/audit", "1234")


def test_what_writers_were_allowed_to_write_cannot_be_refused_later(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "contracts")
    file = tmp_path / "contracts" / "feeds" / "journey.v1.json"
    released = json.loads(file.read_text())
    released["properties"]["lane"] = {"type": "string"}
    file.write_text(json.dumps(released))
    with pytest.raises(IncompatibleError, match=r"journey\.v1 is released .* lane"):
        contracts.contents(tmp_path / "contracts")
