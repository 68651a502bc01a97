"""The AsyncAPI 3.0 document of the topics, written from the registry of events and the declaration of the topics."""

from collections.abc import Mapping, Sequence
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


def document(schemas: Mapping[str, Json], samples: Mapping[str, Json]) -> Json:
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
            "An event's schema never changes in a way that its reader could not read; a change is a new `ce_type`.",
        },
        "defaultContentType": "application/json",
        "channels": {service: _channel(service, names[service]) for service in services},
        "operations": {f"receive-{service}": _operation(service) for service in services},
        "components": {
            "messages": {name: _message(name, schemas[name], samples[name]) for name in schemas},
            "schemas": {"headers": _headers()},
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
