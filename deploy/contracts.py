"""What this system promises to others, written out: deploy/contracts is generated from the code and never by hand.

    asyncapi.json            the topics and every message on them
    schemas/<event>.json     JSON Schema of each event, with what each field is to privacy (`x-privacy`)
    samples/<event>.json     one whole record of each event, made once: history must stay readable
    feeds/<record>.json      JSON Schema of each record that others write for us, and a whole one as its example
    openapi/<service>.json   the operations of each service; the gateway's are the public ones
    policy.md                who may do what, as one table

A released event cannot be changed here in a way that an old subscriber could not read (see `deploy.compatibility`).
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, get_type_hints

from fastapi import FastAPI
from pydantic import SecretStr

from deploy import asyncapi
from deploy.compatibility import breaks
from deploy.samples import sample_of
from services.audit.adapters import publishing
from services.audit.proof.notes import Checkpoint, LogKey
from services.products.adapters import journey_feed
from services.profiles.policy import as_table
from shared.backbone import Backbone
from shared.events import Event, JsonObject, UnknownEventError, declared, decode, privacy_of
from shared.settings import KafkaSettings

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "contracts"
GATEWAY = "gateway"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


FEEDS: Mapping[str, asyncapi.Feed] = {
    "journeys": asyncapi.Feed(
        topic=journey_feed.topic(),
        record=journey_feed.RECORD,
        title="Journeys, from the operators",
        schema=journey_feed.schema(),
        sample=journey_feed.SAMPLE,
        key="id",
    ),
}
"""The topics that others write for us."""
CHECKPOINTS = asyncapi.Checkpoints(
    topic=publishing.topic(),
    sample=LogKey("selfservice.example/audit", "a sample of a key, and no secret").sign(
        Checkpoint("selfservice.example/audit", 1234, b"\x5a" * 32)
    ),
)


class IncompatibleError(Exception):
    """A released event would become unreadable for those who read it by its released schema, or for ourselves."""


def services(having: str) -> list[str]:
    """The services that have such a file, by name."""
    return sorted(file.parent.name for file in (ROOT / "services").glob(f"*/{having}"))


def events() -> Iterator[type[Event]]:
    """Every event that any service declares."""
    for service in services("events.py"):
        import_module(f"services.{service}.events")
        yield from declared(service)


def schema_of(event: type[Event]) -> JsonObject:
    """The JSON Schema of an event as it is on the wire, with the privacy class of each field."""
    schema = event.model_json_schema(mode="serialization")
    for name, field in event.model_fields.items():
        privacy = privacy_of(field)
        assert privacy is not None  # noqa: S101 (no event can be declared with an unclassed field)
        schema["properties"][name]["x-privacy"] = privacy.value
        del schema["properties"][name]["title"]
    return {"$schema": SCHEMA_DIALECT, "$id": f"urn:selfservice:event:{event.type}", **schema}


def openapi_of(service: str, others: Mapping[str, JsonObject] | None = None) -> JsonObject:
    """The OpenAPI document of a service as production has it, the gateway's made of the `others`; nothing is opened."""
    build = import_module(f"services.{service}.service").build
    more = {"documents": others} if "documents" in signature(build).parameters else {}
    built = build(_production(get_type_hints(build)["settings"]), **more)
    parts = built if isinstance(built, tuple) else (built,)
    for backbone in (part for part in parts if isinstance(part, Backbone)):
        asyncio.run(backbone.close_store())
    return next(part for part in parts if isinstance(part, FastAPI)).openapi()


def _production(settings: type[Any]) -> Any:
    """Settings with which a service can be put together; no other address in them is ever called."""
    needed = {
        name: SecretStr(f"{name:A<43}") if field.annotation is SecretStr else "http://contracts.example.com"
        for name, field in settings.model_fields.items()
        if field.is_required()
    }
    given = {
        "environment": "production",
        "database_url": SecretStr("postgresql://contracts@contracts.example.com/contracts"),
        "kafka": KafkaSettings(replication_factor=3, min_insync_replicas=2, idempotence=True),
    }
    return settings(**{**needed, **{name: value for name, value in given.items() if name in settings.model_fields}})


def contents(folder: Path = FOLDER) -> dict[str, str]:
    """What every file ought to contain, by its path in the folder.

    Raises IncompatibleError, NoSampleError.
    """
    declared_now = {event.type: event for event in events()}
    schemas = {**_kept(folder / "schemas"), **{name: schema_of(event) for name, event in declared_now.items()}}
    new = {name: sample_of(event) for name, event in declared_now.items() if not _sample(folder, name).exists()}
    samples = {**new, **_kept(folder / "samples")}
    feeds = {feed: _feed_schema(feed) for feed in FEEDS.values()}
    problems = [*_broken_schemas(folder, schemas), *_unreadable_samples(samples), *_refused_records(folder, feeds)]
    if problems:
        raise IncompatibleError("\n".join(problems))
    files = {
        "asyncapi.json": asyncapi.document(schemas, samples, FEEDS, CHECKPOINTS),
        **{f"feeds/{feed.record}.json": schema for feed, schema in feeds.items()},
        **{f"schemas/{name}.json": schema for name, schema in schemas.items()},
        **{f"samples/{name}.json": sample for name, sample in samples.items()},
        **{f"openapi/{service}.json": openapi for service, openapi in _openapi().items()},
    }
    texts = {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in files.items()}
    return {**texts, "policy.md": f"# Who may do what\n\n{as_table()}"}


def stale(folder: Path = FOLDER) -> list[str]:
    """The files that are not what they ought to be: missing, changed or left over. Raises as `contents`."""
    return _differing(folder, contents(folder))


def write(folder: Path = FOLDER) -> list[str]:
    """Write what is stale and remove what is left over; answers which files. Raises as `contents`."""
    wanted = contents(folder)
    changed = _differing(folder, wanted)
    for path in changed:
        if path not in wanted:
            (folder / path).unlink()
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(wanted[path])
    return changed


def _openapi() -> dict[str, JsonObject]:
    others = {service: openapi_of(service) for service in services("service.py") if service != GATEWAY}
    return {**others, GATEWAY: openapi_of(GATEWAY, others)}


def _differing(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    found = [*folder.rglob("*.json"), *folder.glob("policy.md")]
    present = {file.relative_to(folder).as_posix(): file.read_text() for file in found}
    return sorted(path for path in wanted.keys() | present.keys() if wanted.get(path) != present.get(path))


def _broken_schemas(folder: Path, schemas: Mapping[str, JsonObject]) -> Iterator[str]:
    for name, released in _kept(folder / "schemas").items():
        if found := sorted(breaks(released, schemas[name])):
            yield (
                f"{name} is released and an old subscriber could not read it any more: {'; '.join(found)}. "
                "Declare a new version with an upcaster from this one. "
                "(Was it never released? Then delete its schema and its sample first.)"
            )


def _feed_schema(feed: asyncapi.Feed) -> JsonObject:
    head = {"$schema": SCHEMA_DIALECT, "$id": f"urn:selfservice:feed:{feed.record}"}
    return {**head, **asyncapi.feed_schema(feed), "examples": [dict(feed.sample)]}


def _refused_records(folder: Path, feeds: Mapping[asyncapi.Feed, JsonObject]) -> Iterator[str]:
    """The gate the other way round: what writers were allowed to write must stay readable for us."""
    released = _kept(folder / "feeds")
    for feed, schema in feeds.items():
        if feed.record in released and (found := sorted(breaks(schema, released[feed.record]))):
            yield f"{feed.record} is released and its writers' records would be refused: {'; '.join(found)}"


def _unreadable_samples(samples: Mapping[str, JsonObject]) -> Iterator[str]:
    for name, sample in samples.items():
        try:
            decode(name, sample["value"])
        except (UnknownEventError, ValueError) as failure:
            yield f"{name} is released and cannot be read any more: {failure}"


def _sample(folder: Path, name: str) -> Path:
    return folder / "samples" / f"{name}.json"


def _kept(folder: Path) -> dict[str, JsonObject]:
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
