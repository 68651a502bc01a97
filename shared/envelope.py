"""The envelope: what is known about an event beside the event itself, in the store and on the wire.

In the store an event is one JSON object, `{"id": …, "time": …, "actor": …, …, "data": {the event}}`. On the wire
it is a CloudEvent 1.0 in Kafka's binary mode: the envelope becomes `ce_` headers, the value is the `data` as it is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from eventsourcing.persistence import Notification

from shared.actor import Actor
from shared.events import Event, JsonObject, decode

CONTENT_TYPE = b"application/json"
LONGEST_ATTRIBUTE = 500
_DATA = b',"data":'
_COUNT = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


class MalformedEnvelopeError(ValueError):
    """A record is not one of our events: a header is missing, twice there, or not what it should be."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event together with the circumstances of its recording."""

    id: str
    source: str
    stream: str
    version: int
    """Counts from 1 within the stream, without gaps."""
    position: int
    """Place in the order of the whole log of its service; 0 while the event is only being appended."""
    time: datetime
    actor: Actor
    grant: str | None
    correlation: str
    causation: str | None
    data: Event

    @property
    def type(self) -> str:
        return self.data.type


def to_state(recorded: Recorded) -> bytes:
    """The stored form; stream, version, position and type have columns of their own."""
    head = {
        "id": recorded.id,
        "time": recorded.time,
        "actor": str(recorded.actor),
        "grant": recorded.grant,
        "correlation": recorded.correlation,
        "causation": recorded.causation,
    }
    return b"".join((orjson.dumps(head, option=orjson.OPT_UTC_Z)[:-1], _DATA, recorded.data.to_json(), b"}"))


def from_state(source: str, stored: Notification) -> Recorded:
    """Read a stored event of a service's log. Raises as `shared.events.decode` does."""
    content: JsonObject = orjson.loads(stored.state)
    return Recorded(
        id=content["id"],
        source=source,
        stream=str(stored.originator_id),
        version=stored.originator_version,
        position=stored.id,
        time=datetime.fromisoformat(content["time"]),
        actor=Actor.parse(content["actor"]),
        grant=content["grant"],
        correlation=content["correlation"],
        causation=content["causation"],
        data=decode(stored.topic, content["data"]),
    )


Headers = Sequence[tuple[str, bytes | None]]
"""Of a Kafka record; a value may be null, which no header of ours ever is."""


def wire(source: str, stored: Notification) -> tuple[list[tuple[str, bytes]], bytes]:
    """Headers and value of a stored event on Kafka; the value is cut out of the stored bytes, not written anew."""
    cut = stored.state.index(_DATA)
    head: JsonObject = orjson.loads(stored.state[:cut] + b"}")
    attributes = {
        "specversion": "1.0",
        "id": head["id"],
        "type": stored.topic,
        "source": source,
        "subject": str(stored.originator_id),
        "time": head["time"],
        "stream": str(stored.originator_id),
        "version": str(stored.originator_version),
        "position": str(stored.id),
        "actor": head["actor"],
        "grant": head["grant"],
        "correlationid": head["correlation"],
        "causationid": head["causation"],
    }
    headers = [(f"ce_{name}", value.encode()) for name, value in attributes.items() if value is not None]
    return [*headers, ("content-type", CONTENT_TYPE)], stored.state[cut + len(_DATA) : -1]


@dataclass(frozen=True, slots=True)
class Attributes:
    """The `ce_` headers of a record, read but its event not yet: enough to place it in its stream."""

    id: str
    type: str
    source: str
    stream: str
    version: int
    position: int
    time: datetime
    actor: Actor
    grant: str | None
    correlation: str
    causation: str | None

    def with_data(self, value: bytes) -> Recorded:
        """The whole event. Raises UnknownEventError, pydantic.ValidationError or orjson.JSONDecodeError."""
        return Recorded(
            id=self.id,
            source=self.source,
            stream=self.stream,
            version=self.version,
            position=self.position,
            time=self.time,
            actor=self.actor,
            grant=self.grant,
            correlation=self.correlation,
            causation=self.causation,
            data=decode(self.type, orjson.loads(value)),
        )


def attributes(headers: Headers) -> Attributes:
    """Read the headers of a record. Raises MalformedEnvelopeError when they are not those of one of our events."""
    try:
        given = _only_ours(headers)
        return Attributes(
            id=given["id"],
            type=given["type"],
            source=given["source"],
            stream=given["stream"],
            version=_count(given, "version"),
            position=_count(given, "position"),
            time=_moment(given),
            actor=Actor.parse(given["actor"]),
            grant=given.get("grant"),
            correlation=given["correlationid"],
            causation=given.get("causationid"),
        )
    except KeyError as missing:
        raise MalformedEnvelopeError(f"no header ce_{missing.args[0]}") from None
    except MalformedEnvelopeError:
        raise
    except UnicodeDecodeError:
        raise MalformedEnvelopeError("a header is not UTF-8") from None
    except ValueError:
        raise MalformedEnvelopeError("ce_time is no time, or ce_actor no actor") from None


def _only_ours(headers: Headers) -> Mapping[str, str]:
    """Our headers by name; each once, and such that every one of them can be stored and shown."""
    ours = [(name, (value or b"").decode()) for name, value in headers if name[:3] == "ce_"]
    given = {name[3:]: text for name, text in ours}
    if len(given) != len(ours):
        raise MalformedEnvelopeError("a header is there twice")
    if given.get("specversion") != "1.0":
        raise MalformedEnvelopeError("not CloudEvents 1.0")
    sizes = [*map(len, given.values())]
    if min(sizes) == 0 or max(sizes) > LONGEST_ATTRIBUTE or not "".join(given.values()).isprintable():
        raise MalformedEnvelopeError("a header is empty, too long or not printable")
    return given


def _count(given: Mapping[str, str], name: str) -> int:
    """A version or a position: both count from 1 and fit the columns that hold them."""
    text = given[name]
    if not _COUNT.fullmatch(text):
        raise MalformedEnvelopeError(f"header ce_{name} does not count from 1")
    return int(text)


def _moment(given: Mapping[str, str]) -> datetime:
    moment = datetime.fromisoformat(given["time"])
    if moment.tzinfo is None:
        raise MalformedEnvelopeError("header ce_time has no time zone")
    return moment
