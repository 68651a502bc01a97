"""H1: audit takes in every event of every service exactly once, in the order of its stream."""

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deploy.samples import content_of
from services.audit.about import about, people, places
from services.audit.events import AttemptRefused, HistoryRead
from services.audit.service import EVERY_KIND_OF_STREAM, EVERY_SERVICE
from services.auth.events import CodeAccepted, CodeRequested, SessionStarted
from services.products.events import AttemptRefused as ProductsRefused
from services.products.events import BizzOrdered
from services.profiles.events import ContactDetailsChanged
from shared.actor import Actor
from shared.dead_letters import Letter
from shared.envelope import Recorded
from shared.events import Event, declared
from shared.ids import kind_of
from tests.audit.conftest import (
    ANNA,
    BIZZ,
    DORA,
    NOON,
    NORDLYS,
    ROAD,
    Topics,
    World,
    account,
    bizz,
    closed,
    company,
    created,
    name,
    product_access,
    replica,
    stream_of,
)
from tests.feed import SUSANNE, SYSTEM, running

EVERY_EVENT: list[type[Event]] = [event for service in EVERY_SERVICE for event in declared(service)]


def record(event: Event, stream: str, by: Actor = SYSTEM) -> Recorded:
    return Recorded("0" * 32, event.type.split(".")[0], stream, 1, 1, NOON, by, None, "request", None, event)


async def rows(world: World) -> list[dict[str, Any]]:
    found = await world.backbone.database.rows("SELECT * FROM history ORDER BY at, event_id")
    return [{name: value for name, value in row.items() if name != "number"} for row in found]


def day(topics: Topics) -> list[Letter]:
    """A good many events over several streams of several services."""
    events: list[Event] = [company(NORDLYS, "Nordlys Transport ApS"), account(NORDLYS, ROAD)]
    for number in range(10, 20):
        product, driver = name("product", number), Actor("profile", name("profile", number))
        events += [
            bizz(product, ROAD, NORDLYS),
            created(driver, f"driver{number}@nordlys.example.com"),
            product_access(driver, product, ROAD),
            refused(number, product),
            closed(product, ROAD),
        ]
    return [topics.letter(event, by=ANNA) for event in events]


def refused(number: int, *named: str) -> Event:
    return ProductsRefused(
        attempt_id=name("attempt", number),
        operation="POST /products/{product_id}/close",
        about=named,
        code="not-permitted",
        rule="A6",
        reason="This is not within your rights.",
    )


def in_topic_order_but_streams_mixed(letters: Iterable[Letter]) -> list[Letter]:
    """Another order in which the same records may arrive: each stream in its order, streams in any."""
    streams: dict[str, list[Letter]] = {}
    for letter in letters:
        streams.setdefault(str(dict(letter.headers)["ce_stream"]), []).append(letter)
    arriving, shuffled = random.Random(7), []  # noqa: S311 (an order, not a secret)
    while streams:
        stream = arriving.choice(sorted(streams))
        shuffled.append(streams[stream].pop(0))
        streams = {name: left for name, left in streams.items() if left}
    return shuffled


async def test_h1_every_event_of_every_service_is_found_by_everything_it_names(audit: World) -> None:
    happened = [event.model_validate(content_of(event)) for event in EVERY_EVENT]
    assert len(happened) > 30
    await audit.happened(*happened, by=SUSANNE)
    taken_in = {row["correlation"]: row for row in await rows(audit)}
    for number, event in enumerate(happened, start=1):
        assert kind_of(stream_of(event)) in EVERY_KIND_OF_STREAM
        row = taken_in[f"request-{number}"]
        assert (row["type"], row["data"]) == (event.type, event.model_dump(mode="json"))
        assert {stream_of(event), SUSANNE.id} <= set(row["about"])
    for entity in {entity for row in taken_in.values() for entity in row["about"]}:
        found = {entry["id"] for entry in await audit.read(SUSANNE, entity)}
        assert found >= {row["event_id"] for row in taken_in.values() if entity in row["about"]}


def test_h1_an_event_is_about_its_stream_its_actor_and_every_identifier_it_names() -> None:
    started = SessionStarted(
        session_id=name("session", 1), subject=f"profile:{DORA.id}", challenge_id=name("challenge", 1), ends_at=NOON
    )
    recorded = record(started, name("session", 1), by=ANNA)
    assert about(recorded) == [name("session", 1), DORA.id, name("challenge", 1), ANNA.id]


def test_h1_personal_text_that_looks_like_an_identifier_names_nothing() -> None:
    ordered = BizzOrdered(product_id=BIZZ, account_id=ROAD, company_id=NORDLYS, reference=name("product", 9))
    assert name("product", 9) not in about(record(ordered, BIZZ))
    renamed = ContactDetailsChanged(profile_id=DORA.id, name=f"profile:{ANNA.id}", phone=None)
    assert about(record(renamed, DORA.id)) == [DORA.id]


@pytest.mark.parametrize(
    ("event", "stream", "by", "where"),
    [
        (bizz(BIZZ, ROAD, NORDLYS), BIZZ, ANNA, [BIZZ, ROAD]),
        (company(NORDLYS, "Nordlys Transport ApS"), NORDLYS, SUSANNE, [NORDLYS]),
        (refused(1, ANNA.id, BIZZ), name("attempt", 1), DORA, [BIZZ]),
        (HistoryRead(reading_id=name("reading", 1), entity_id=ROAD, entries=3), "", SUSANNE, [ROAD]),
        (created(DORA, "dora@nordlys.example.com"), DORA.id, ANNA, []),
    ],
)
def test_h3_an_event_lies_in_the_closest_places_that_it_names(
    event: Event, stream: str, by: Actor, where: list[str]
) -> None:
    assert places(record(event, stream, by)) == where


@pytest.mark.parametrize(
    ("event", "by", "grant", "whom"),
    [
        (created(DORA, "dora@nordlys.example.com"), ANNA, f"account-administrator:{ROAD}", [DORA.id, ANNA.id, ROAD]),
        (created(DORA, "dora@nordlys.example.com"), SUSANNE, "customer-service", [DORA.id]),
        (
            CodeRequested(challenge_id=name("challenge", 1), subject=None, purpose="login", by="mailed-code"),
            SYSTEM,
            None,
            [],
        ),
        (
            CodeAccepted(
                challenge_id=name("challenge", 1), subject=f"profile:{DORA.id}", by="mailed-code", completes=True
            ),
            SYSTEM,
            None,
            [DORA.id],
        ),
        (refused(1), DORA, None, [DORA.id]),
        (refused(1, ANNA.id), DORA, None, [ANNA.id, DORA.id]),
        (refused(1), SUSANNE, None, []),
    ],
)
def test_a9_what_names_no_place_lies_with_all_of_its_people(
    event: Event, by: Actor, grant: str | None, whom: list[str]
) -> None:
    recorded = replace(record(event, stream_of(event), by), grant=grant)
    assert (places(recorded), people(recorded)) == ([], whom)


async def test_h1_what_is_delivered_again_is_taken_in_once(audit: World) -> None:
    letters = day(audit.topics)
    await audit.arrived(*letters)
    first = await rows(audit)
    assert len(first) == len(letters) + 2
    await audit.arrived(*letters[10:])
    await audit.arrived(*letters)
    assert await rows(audit) == first


async def test_h1_two_replicas_that_are_given_the_same_take_it_in_once(
    audit: World, database: str, new_database: Callable[[], str]
) -> None:
    letters = day(audit.topics)
    other = replica(database)
    async with running(other.backbone):
        await asyncio.gather(*(world.arrived(*letters) for world in (audit, other, audit, other)))
    assert len(await rows(audit)) == len(letters) + 2


async def test_h1_the_history_is_the_same_in_whatever_order_the_streams_arrive(
    audit: World, new_database: Callable[[], str]
) -> None:
    letters = day(audit.topics)
    await audit.arrived(*letters)
    rebuilt = replica(new_database())
    async with running(rebuilt.backbone):
        await rebuilt.arrived(*in_topic_order_but_streams_mixed(letters))
        known = {row["event_id"] for row in await rows(rebuilt)}
        assert await rows(rebuilt) == [row for row in await rows(audit) if row["event_id"] in known]
        assert len(known) == len(letters)


async def test_h1_a_slow_clock_does_not_put_a_stream_out_of_order(audit: World) -> None:
    await audit.happened(bizz(BIZZ, ROAD, NORDLYS), at=NOON)
    await audit.happened(closed(BIZZ, ROAD), at=NOON - timedelta(minutes=1))
    entries = await audit.read(SUSANNE, BIZZ)
    assert [entry["version"] for entry in entries] == [1, 2]
    assert entries[1]["time"] == "2026-03-01T11:59:00Z"


async def test_h1_many_attempts_are_many_streams_of_one_event_each(audit: World) -> None:
    letters = [audit.topics.letter(refused(number, BIZZ), by=DORA) for number in range(1_000)]
    await audit.arrived(*letters)
    await audit.arrived(*letters)
    assert len(await audit.read(SUSANNE, BIZZ)) == 1_000


async def test_h1_audits_own_events_are_part_of_the_history_with_the_answer_that_they_belong_to(audit: World) -> None:
    answer = await audit.ask(DORA, DORA.id)
    assert answer.status_code == 403
    (row,) = [row for row in await rows(audit) if row["service"] == "audit"]
    assert row["type"] == AttemptRefused.type
    assert (row["actor"], row["position"]) == (f"profile:{DORA.id}", None)
    assert DORA.id in row["about"]


async def test_an_event_of_an_unknown_name_is_kept_aside_and_others_go_on(audit: World) -> None:
    letter = audit.topics.letter(bizz(BIZZ, ROAD, NORDLYS))
    headers = [(key, b"products.bizz-ordered.v9" if key == "ce_type" else value) for key, value in letter.headers]
    unknown = Letter(letter.topic, letter.partition, letter.offset, headers, letter.value)
    await audit.arrived(unknown, audit.topics.letter(account(NORDLYS, ROAD)))
    types = {row["type"] for row in await rows(audit)}
    assert "company.account-opened.v1" in types
    assert not any(each.startswith("products.") for each in types)
    assert (await audit.backbone.look()).dead_letters == 1
