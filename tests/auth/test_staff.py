"""Adding customer service, as the command line does: without HTTP and without a broker."""

import asyncio

import pytest

from services.auth.domain.staff import StaffAddressTaken
from services.auth.events import StaffAdded
from shared.cause import Written
from tests.auth.conftest import SUSANNE, World


async def test_an_address_is_added_once_and_asking_again_answers_the_same_person(world: World) -> None:
    first = await world.auth.use.staff.add("karl@example.com", "Karl Krag", world.cause)
    again = await world.auth.use.staff.add(" KARL@example.com", "Karl  Krag", world.cause)
    assert again.answer == first.answer
    assert len(world.said(StaffAdded)) == 2, "Susanne and Karl"
    assert str(world.log()[-1].actor) == "system:command-line"
    with pytest.raises(StaffAddressTaken):
        await world.auth.use.staff.add("karl@example.com", "Somebody Else", world.cause)


async def test_an_address_is_added_once_on_two_replicas_at_the_same_moment(world: World, other: World) -> None:
    outcomes = await asyncio.gather(
        *(
            one.auth.use.staff.add("karl@example.com", f"Karl {number}", world.cause)
            for number, one in enumerate([world, other] * 5)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Written) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, StaffAddressTaken) for outcome in outcomes) == 9
    assert [added.address for added in world.said(StaffAdded)] == [SUSANNE, "karl@example.com"]
