"""kill -9 under load: of profiles, of products in mid-command, and of the broker with all its data.

Load goes on all the while: every command carries an Idempotency-Key and is sent again until it is answered. Afterwards
every acknowledged command must be in the log, in the topic and in every view exactly once.
"""

import asyncio
import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.demo.day import Day
from deploy.demo.person import Person, Unexpected
from deploy.local.runfile import RunState, read
from shared.broker import topic_of

SETTLED_WITHIN_SECONDS = 60.0
QUIET_SECONDS = 2.0
"""Longer than a relay or a consumer needs to notice that a broker has lost its data."""
SERVICES = ("auth", "company", "products", "profiles", "audit")


@dataclass
class Acknowledged:
    """What the system said it had done."""

    products: list[str] = field(default_factory=list)
    grants: list[tuple[str, str]] = field(default_factory=list)
    """(profile, product) of each access granted."""


class Crashes:
    """The eighth step of the day."""

    def __init__(self, day: Day, folder: Path, mark: str) -> None:
        self._day = day
        self._folder = folder
        self._mark = mark
        self.acknowledged = Acknowledged()

    async def play(self, victims: Sequence[str] = ("profiles", "products", "broker"), *, pause: float = 2.0) -> None:
        """Kill each victim in turn during load, wait until all is quiet, and look. Raises Unexpected."""
        say = self._day.say
        say("8. kill -9 under load: profiles, products, and the broker with all its data")
        stop = asyncio.Event()
        load = [asyncio.create_task(self._load(worker, stop)) for worker in range(6)]
        for victim in victims:
            await asyncio.sleep(pause)
            pid = self._pid(victim)
            if victim == "broker":
                self._lose_data()
            os.kill(pid, signal.SIGKILL)
            say(f"   killed {victim} (process {pid})")
        await asyncio.sleep(2 * pause)
        stop.set()
        await asyncio.gather(*load)
        done = self.acknowledged
        say(f"   acknowledged meanwhile: {len(done.products)} orders, {len(done.grants)} grants")
        await self._settle()
        await self._everything_is_there_once()
        say("   every acknowledged command is in the log, in the topic and in the history exactly once")
        for service in SERVICES:
            await self._views_equal_a_rebuild(service)
        say("   the views of every service equal a rebuild from zero")

    def _lose_data(self) -> None:
        """The embedded broker keeps everything in memory; Apache Kafka's folder goes before the process does."""
        data = self._folder / "kafka" / "data"
        if data.exists():
            data.rename(data.with_name(f"lost-{uuid4().hex}"))

    def _pid(self, part: str) -> int:
        state: RunState = read(self._folder)
        pid = state.parts[part].pid
        if pid is None:
            raise Unexpected(f"{part} is not running")
        return pid

    # Load ------------------------------------------------------------------------------------------------------------

    async def _load(self, worker: int, stop: asyncio.Event) -> None:
        """Order a bizz, give a new driver access to it, and again."""
        anna, number = self._day.anna, 0
        account = self._day.cast.ids["nordlys account"]
        while not stop.is_set():
            number += 1
            ordered = await self._until_answered(anna, f"/accounts/{account}/products", {"kind": "bizz"})
            product = ordered["product_id"]
            self.acknowledged.products.append(product)
            person = {
                "email": f"driver-{worker}-{number}.{self._mark}@nordlys.example.com",
                "name": "Dora Dahl",
                "grants": [{"kind": "product-access", "id": product}],
            }
            granted = await self._until_answered(anna, "/profiles", person)
            self.acknowledged.grants.append((granted["profile_id"], product))

    @staticmethod
    async def _until_answered(who: Person, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send one command with one key until its outcome is known: done once, however often it was sent."""
        key = uuid4().hex
        for _ in range(300):
            answer = await who.send("POST", path, body, key=key)
            if answer.status_code == 201:
                done: dict[str, Any] = answer.json()
                return done
            if answer.status_code not in {404, 429, 503}:  # 404: the product has not arrived in profiles yet
                raise Unexpected(f"POST {path} under load: {answer.status_code} {answer.text}")
            key = key if answer.status_code != 404 else uuid4().hex
            await asyncio.sleep(0.2)
        raise Unexpected(f"POST {path} was not answered for a minute")

    # Afterwards ------------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Nothing lags, nothing is parked, and it stays so, without anybody doing anything."""
        now = asyncio.get_running_loop().time
        began = quiet_since = now()
        async with httpx.AsyncClient(timeout=5) as http:
            while now() - quiet_since < QUIET_SECONDS:
                await asyncio.sleep(0.3)
                if behind := await self._behind(http):
                    quiet_since = now()
                if behind and now() - began > SETTLED_WITHIN_SECONDS:
                    raise Unexpected(f"not settled after {SETTLED_WITHIN_SECONDS:.0f} s: {behind}")

    async def _behind(self, http: httpx.AsyncClient) -> dict[str, Any]:
        behind: dict[str, Any] = {}
        for service in SERVICES:
            relays = []
            for replica in read(self._folder).replicas(service):
                try:
                    lag = (await http.get(f"http://127.0.0.1:{replica.port}/health/lag")).json()
                except (httpx.TransportError, ValueError) as down:
                    behind[replica.name] = repr(down)
                    continue
                relays.append(lag["relay_state"])
                if lag["relay_behind"] or lag["dead_letters"] or not lag["ready"] or _lags(lag["inbox_behind"]):
                    behind[replica.name] = lag
            if "active" not in relays:
                behind.setdefault(service, f"relays are {relays}")
        return behind

    async def _everything_is_there_once(self) -> None:
        topic = await self._versions_in_topics(("products", "profiles"))
        for stream, versions in topic.items():
            if sorted(set(versions)) != list(range(1, max(versions) + 1)):
                raise Unexpected(f"{stream} has gaps in its topic: {sorted(set(versions))}")
        for product in self.acknowledged.products:
            await self._once(topic, product, "bizz-ordered")
        for profile, product in self.acknowledged.grants:
            await self._once(topic, profile, "product-access-granted", product)

    async def _once(self, topic: dict[str, list[int]], stream: str, type_: str, about: str | None = None) -> None:
        if stream not in topic:
            raise Unexpected(f"{stream} is not in its topic")
        history = await self._day.staff.ask("GET", f"/history/{about or stream}?limit=100", expect=200)
        found = Counter(e["type"].split(".")[1] for e in history["items"] if e["stream"] == stream)[type_]
        if found != 1:
            raise Unexpected(f"{type_} of {stream} is {found} times in the history")

    async def _views_equal_a_rebuild(self, service: str) -> None:
        command = [sys.executable, "-m", "deploy.cli", "views", "check", service, "--folder", str(self._folder)]
        checking = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await checking.communicate()
        if checking.returncode != 0:
            raise Unexpected(f"the views of {service} differ from a rebuild: {said.decode()[-2000:]}")

    async def _versions_in_topics(self, services: Sequence[str]) -> dict[str, list[int]]:
        """Every version of every stream that the topics hold, from the first record to the last."""
        port = read(self._folder).parts["broker"].port
        consumer = AIOKafkaConsumer(bootstrap_servers=f"127.0.0.1:{port}", enable_auto_commit=False)
        await consumer.start()
        found: dict[str, list[int]] = defaultdict(list)
        try:
            partitions = [
                TopicPartition(topic.name, n)
                for s in services
                for topic in (topic_of(s),)
                for n in range(topic.partitions)
            ]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            while batch := await consumer.getmany(timeout_ms=2000):
                for records in batch.values():
                    for record in records:
                        headers = dict(record.headers)
                        found[headers["ce_stream"].decode()].append(int(headers["ce_version"]))
        finally:
            await consumer.stop()
        return found


def _lags(inbox: dict[str, int | None]) -> bool:
    """Whether records are not applied yet, or may be: None says that the consumer does not know."""
    return any(behind is None or behind > 0 for behind in inbox.values())
