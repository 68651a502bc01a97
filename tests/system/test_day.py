"""One company's day, end to end, over HTTP only; then kill -9 of everything in turn, under load."""

from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.demo.crashes import Crashes
from deploy.demo.day import Day
from deploy.demo.subscriber import Subscriber
from deploy.sample import STAFF
from tests.system.conftest import System

pytestmark = [pytest.mark.system, pytest.mark.timeout(420)]


@pytest.fixture
async def day(system: System) -> AsyncIterator[Day]:
    async with httpx.AsyncClient(base_url=system.url, timeout=30) as http:
        yield Day(http, STAFF[0], print)


async def test_the_day_goes_as_it_must_and_an_outside_subscriber_receives_all_of_it_in_order(
    system: System, day: Day
) -> None:
    """A1–A6, A8–A13, C5, C6, P1–P4, L1, L4, H1, H3: each step checks what it says."""
    async with Subscriber(f"127.0.0.1:{system.state.parts['broker'].port}") as subscriber:
        await day.play()
        await subscriber.has_all_of(day, print)


async def test_after_kill_9_of_profiles_products_and_the_broker_every_acknowledged_command_is_there_once(
    system: System, day: Day
) -> None:
    """H1, A8: during load; the broker loses all its data; nobody repairs anything by hand."""
    await day.customer_service_registers_two_companies()
    await day.administrators_order_products()
    crashes = Crashes(day, system.folder, day.cast.mark)
    await crashes.play()
    assert len(crashes.acknowledged.grants) > 10
