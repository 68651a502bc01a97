"""The AsyncAPI 3.0 document of the topics: what services say, from the registry of events, and what others tell us.

A feed is written by others in a contract that we give them; its records are no events of ours. Checkpoints are no
events either, but signed texts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.broker import Topic, topic_of

Json = dict[str, Any]

_TEXT = {"type": "string"}
HEADERS: Mapping[str, tuple[str, bool]] = {
    "ce_specversion": ("The version of CloudEvents: 1.0.", True),
    "ce_id": ("Names this event; the same event always carries the same id, however often it is delivered.", True),
    "ce_type": ("The name of the event with its version; says which schema the value has.", True),
    "ce_source": ("The service that says it.", True),
    "ce_subject": ("The stream it belongs to, as `ce_stream`.", True),
    "ce_time": ("When it was decided, by the service's clock (RFC 3339, UTC).", True),
    "ce_stream": ("The entity's stream; also the record's key.", True),
    "ce_version": ("Counts from 1 within the stream, without gaps: take the next one, skip older ones.", True),
    "ce_position": ("Place in the order of the whole log of the service; has gaps.", True),
    "ce_actor": ("Who caused it, as `kind:id`.", True),
    "ce_grant": ("Under which grant they acted, as `kind:target`.", False),
    "ce_correlationid": ("The request that it all began with.", True),
    "ce_causationid": ("The `ce_id` of the event that this one is an answer to.", False),
    "content-type": ("application/json", True),
}
"""Every header of a record: what it says, and whether it is always there."""


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """A topic that others write: what a record says, one whole record, and which field is its key."""

    topic: Topic
    record: str
    title: str
    schema: Json
    sample: Mapping[str, Any]
    key: str


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoints:
    """The topic of what the history is proven with, and one whole note."""

    topic: Topic
    sample: str


def document(
    schemas: Mapping[str, Json], samples: Mapping[str, Json], feeds: Mapping[str, Feed], checkpoints: Checkpoints
) -> Json:
    """The whole document, of the schemas and samples of every event ever released: a topic keeps all of them."""
    services = sorted({name.split(".")[0] for name in schemas})
    names = {service: sorted(name for name in schemas if name.startswith(f"{service}.")) for service in services}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events of the business self-service",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in Kafka's binary mode: one topic a service, keyed by stream. Delivered at "
            "least once and in order of each stream; `ce_stream` and `ce_version` tell a repetition from the next one. "
            "An event's schema never changes in a way that its reader could not read; a change is a new `ce_type`. "
            "Feeds are the other way round: others write them, one service takes them in.",
        },
        "defaultContentType": "application/json",
        "channels": {service: _channel(service, names[service]) for service in services}
        | {name: _feed_channel(feed) for name, feed in feeds.items()}
        | {"checkpoints": _checkpoints_channel(checkpoints.topic)},
        "operations": {f"receive-{service}": _operation(service) for service in services}
        | {f"send-{name}": _feed_operation(name) for name in feeds}
        | {"receive-checkpoints": _checkpoints_operation()},
        "components": {
            "messages": {name: _message(name, schemas[name], samples[name]) for name in schemas}
            | {feed.record: _record(feed) for feed in feeds.values()}
            | {"checkpoint": _checkpoint(checkpoints.sample)},
            "schemas": {"headers": _headers()} | {feed.record: feed_schema(feed) for feed in feeds.values()},
        },
    }


def _channel(service: str, names: Sequence[str]) -> Json:
    topic = topic_of(service)
    return {
        "address": topic.name,
        "title": f"Events of {service}",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": _topic(topic)},
    }


def _feed_channel(feed: Feed) -> Json:
    return {
        "address": feed.topic.name,
        "title": feed.title,
        "description": f"Any number of writers. Key: the record's `{feed.key}`. At least once, late and in any order "
        "is fine: each id counts once. What a record says may not change under its id.",
        "messages": {feed.record: {"$ref": f"#/components/messages/{feed.record}"}},
        "bindings": {"kafka": _topic(feed.topic)},
    }


def _feed_operation(name: str) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": "Write records, with acks=all. What is not what the schema says is kept aside as it came, with why.",
    }


def _checkpoints_channel(topic: Topic) -> Json:
    return {
        "address": topic.name,
        "title": "Signed checkpoints of the history",
        "description": "Each at least once, in the order of their sizes but for repetitions. Whoever keeps one finds "
        "out that anything before it was altered since.",
        "messages": {"checkpoint": {"$ref": "#/components/messages/checkpoint"}},
        "bindings": {"kafka": _topic(topic)},
    }


def _checkpoints_operation() -> Json:
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/checkpoints"},
        "summary": "Keep the notes where the operator of the log is not.",
    }


def _checkpoint(sample: str) -> Json:
    return {
        "name": "checkpoint",
        "title": "Checkpoint",
        "summary": "A signed note (C2SP tlog-checkpoint): the log's name, how many leaves, the root over them.",
        "contentType": "text/plain; charset=utf-8",
        "payload": {**_TEXT, "description": "The note as it was signed."},
        "bindings": {"kafka": {"key": {**_TEXT, "description": "The log's name."}, "bindingVersion": "0.5.0"}},
        "examples": [{"name": "checkpoint", "payload": sample}],
    }


def _record(feed: Feed) -> Json:
    return {
        "name": feed.record,
        "title": feed.schema["title"],
        "summary": feed.schema["description"],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{feed.record}"},
        "bindings": {"kafka": {"key": {**_TEXT, "description": f"The `{feed.key}`."}, "bindingVersion": "0.5.0"}},
        "examples": [{"name": feed.record, "payload": dict(feed.sample)}],
    }


def feed_schema(feed: Feed) -> Json:
    """The schema of a feed's record, whole in itself: what it defines apart is put where it is used."""
    schema = {**feed.schema}
    parts = schema.pop("$defs", {})

    def put_in(part: Any) -> Any:
        if isinstance(part, dict):
            if (name := str(part.get("$ref", "")).removeprefix("#/$defs/")) in parts:
                return put_in(parts[name])
            return {key: put_in(value) for key, value in part.items()}
        return [put_in(each) for each in part] if isinstance(part, list) else part

    whole: Json = put_in(schema)
    return whole


def _topic(topic: Topic) -> Json:
    settings = topic.settings
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": {
            "cleanup.policy": [settings["cleanup.policy"]],
            "retention.ms": int(settings["retention.ms"]),
            "retention.bytes": int(settings["retention.bytes"]),
        },
        "bindingVersion": "0.5.0",
    }


def _operation(service: str) -> Json:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{service}"},
        "summary": f"Subscribe, with a consumer group of one's own, to everything that {service} says.",
    }


def _message(name: str, schema: Json, sample: Json) -> Json:
    return {
        "name": name,
        "title": schema["title"],
        "summary": schema["description"],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {keyword: value for keyword, value in schema.items() if not keyword.startswith("$")},
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "bindings": {"kafka": {"key": {**_TEXT, "description": "The stream."}, "bindingVersion": "0.5.0"}},
        "examples": [{"name": name, "headers": sample["headers"], "payload": sample["value"]}],
    }


def _headers() -> Json:
    return {
        "type": "object",
        "required": [name for name, (_, always) in HEADERS.items() if always],
        "properties": {name: {**_TEXT, "description": says} for name, (says, _) in HEADERS.items()},
    }
