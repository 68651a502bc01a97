"""Whenever another service says X, products does Y."""

from collections.abc import Mapping

from services.company.events import AccountEnded
from services.products.use_cases import UseCases
from shared.cause import Cause
from shared.envelope import Recorded
from shared.events import Event
from shared.inbox import Reaction


def reactions(use: UseCases) -> Mapping[type[Event], Reaction]:
    """The reactions of products."""

    async def whenever_an_account_ends_its_products_are_closed(recorded: Recorded, cause: Cause) -> None:
        ended = recorded.data
        assert isinstance(ended, AccountEnded)  # noqa: S101 (narrows: registered for it)
        await use.products.close_everything_on(ended.account_id, cause)

    return {AccountEnded: whenever_an_account_ends_its_products_are_closed}
