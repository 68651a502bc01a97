"""Bulk orders: a file is taken in, then worked through in the background, row by row or all at once.

A5, P1-P5  Each row is ordered like an order by hand, by whoever sent the file and under their grant: what is revoked
           while a file is worked through orders nothing more (A14).
H1         A row that a rule refuses is a refused attempt like any other.

A row that was ordered before, of this file or of one like it, is done: its product is always the same. So it does no
harm when two work on one file, nor when one stops in the middle and another begins there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import psycopg

from services.products.adapters import bulk_orders, order_file
from services.products.adapters.bulk_orders import LEASE, Outcome, Sent, Waiting
from services.products.domain import bulk_order as rules
from services.products.domain.bulk_order import MOST_AT_ONCE, BulkOrder, Mode, Order, Wrong, evolve
from services.products.domain.plates import PlateTaken
from services.products.use_cases.products import PRODUCTS, CareOfProducts
from services.products.views.account_payment import payment_of
from services.profiles import policy
from services.profiles.access import Access
from shared.actor import Actor
from shared.cause import Cause, Written
from shared.clock import Clock
from shared.database import Database, Row
from shared.errors import Conflict, Forbidden, Invalid, NotFound, Refusal, Unavailable
from shared.eventstore.streams import Category, Change, Streams
from shared.heard import RevocationsNotHeard
from shared.ids import new_id
from shared.logs import log

BULK_ORDERS = Category("bulk", BulkOrder(), evolve)
PRODUCTS_SERVICE = Actor("system", "products")
AT_ONCE = 50
"""The rows that are read at once, and after which a lease is renewed."""
LOOKED_AGAIN = 5
"""How often it is looked again which row is refused when somebody was faster than a whole file."""
LOOK_SECONDS = 1.0
"""How often it is looked for files that another replica took in and did not finish."""
OPERATION = "POST /accounts/{account_id}/bulk-orders"
_REFUSALS = (Forbidden, NotFound, Conflict, Invalid)

RecordRefusal = Callable[[str, Sequence[str], Refusal, Cause], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class OrderFile:
    """A file of orders as it was sent."""

    content: str
    """Its bytes in base64."""
    mode: Mode
    name: str | None


class BulkOrdering:
    """Taking in files of orders, working through them, telling what became of them."""

    def __init__(
        self,
        streams: Streams,
        database: Database,
        may: Access,
        clock: Clock,
        *,
        care: CareOfProducts,
        record_refusal: RecordRefusal,
        must_have_heard: Callable[[], None],
    ) -> None:
        self._streams = streams
        self._database = database
        self._access = may
        self._clock = clock
        self._care = care
        self._record_refusal = record_refusal
        self._must_have_heard = must_have_heard
        self._sent = asyncio.Event()

    async def receive(self, account_id: str, file: OrderFile, cause: Cause) -> Written:
        """Take in a file of orders for an account; it is worked through from now on.

        Raises NotFound, NotPermitted, AccountHasEnded, FileNotBase64, FileNotUtf8, FileNotCsv, FileEmpty, FileTooLong,
        ColumnsUnclear, TextMalformed, LooksLikeACardNumber.
        """
        account, cause = await self._care.ordering(account_id, cause)
        name = rules.as_name(file.name)
        rows = _rows(order_file.rows_of(order_file.content_of(file.content)), account_id, name)
        sent = Sent(new_id("bulk"), account_id, file.mode, str(cause.actor), cause.correlation)
        decide = partial(
            rules.receive,
            bulk_id=sent.bulk_id,
            account_id=account_id,
            company_id=account["company_id"],
            mode=file.mode,
            name=name,
            rows=len(rows),
        )
        kept = bulk_orders.received(sent, name, self._clock(), rows)
        cause = cause.ensuring(lambda _: kept).answering(bulk_id=sent.bulk_id)
        written = await self._streams.change(BULK_ORDERS, sent.bulk_id, decide, cause)
        self._sent.set()
        return written

    # The work ---------------------------------------------------------------------------------------------------------

    async def keep_working(self) -> None:
        """Work through whatever is sent, on whichever replica it arrived."""
        while True:
            self._sent.clear()
            try:
                with suppress(RevocationsNotHeard):  # whoever listens has said so
                    there_may_be_more = True
                    while there_may_be_more:
                        there_may_be_more = await self.work()
            except (Unavailable, psycopg.Error) as failure:
                log.warning("bulk orders wait", error=repr(failure))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sent.wait(), LOOK_SECONDS)

    async def work(self) -> bool:
        """Work through one bulk order, if there is one. Raises Unavailable; then somebody goes on with it later."""
        self._must_have_heard()  # as for a command by hand: nothing is ordered while revocations may be missed
        sent = await bulk_orders.claim(self._database, self._clock())
        if sent is None:
            return False
        try:
            await self._work_through(sent, Cause(Actor.parse(sent.actor), sent.correlation))
        except (Unavailable, asyncio.CancelledError):
            with suppress(Unavailable):
                await bulk_orders.hold(self._database, sent.bulk_id, None)  # whoever can goes on with it at once
            raise
        return True

    async def _work_through(self, sent: Sent, cause: Cause) -> None:
        match sent.mode:
            case "per-row":
                while rows := await bulk_orders.waiting(self._database, sent.bulk_id, most=AT_ONCE):
                    await self._hold(sent)
                    for row in rows:
                        await self._order(sent, row, cause)
            case "all-or-nothing":
                await self._order_all_or_nothing(sent, cause)
        await self._finish(sent, Cause(PRODUCTS_SERVICE, sent.correlation))

    async def _hold(self, sent: Sent) -> None:
        self._must_have_heard()
        await bulk_orders.hold(self._database, sent.bulk_id, self._clock() + LEASE)

    async def _order(self, sent: Sent, row: Waiting, cause: Cause) -> None:
        try:
            await self._order_together(sent, [row], cause)
        except _REFUSALS as refusal:
            await self._refuse(sent, row, refusal, cause)

    async def _order_together(self, sent: Sent, rows: Sequence[Waiting], cause: Cause) -> None:
        """Order these rows in one commit. Raises what an order by hand raises."""
        account, cause = await self._care.ordering(sent.account_id, cause)
        changes = [
            Change(
                PRODUCTS,
                row.product_id,
                partial(row.order.decide, product_id=row.product_id, now=self._clock(), **account),
            )
            for row in rows
        ]
        outcomes = [bulk_orders.done(sent.bulk_id, row.line) for row in rows]
        await self._streams.change_all(changes, cause.ensuring(lambda _: outcomes))

    async def _refuse(self, sent: Sent, row: Waiting, refusal: Refusal, cause: Cause) -> None:
        outcome = bulk_orders.refused(sent.bulk_id, row.line, refusal)
        about = (sent.account_id, sent.bulk_id)
        await self._record_refusal(OPERATION, about, refusal, cause.ensuring(lambda _: [outcome]))

    async def _order_all_or_nothing(self, sent: Sent, cause: Cause) -> None:
        for _ in range(LOOKED_AGAIN):
            rows = await bulk_orders.waiting(self._database, sent.bulk_id, most=MOST_AT_ONCE)
            if not rows or await self._something_was_refused(sent):
                return
            await self._hold(sent)
            refusals = await self._refusals_of(sent, rows, cause)
            for row, refusal in refusals:
                await self._refuse(sent, row, refusal, cause)
            if refusals:
                return
            # Somebody may be faster with a plate after all: then it is looked again which row it is.
            with suppress(*_REFUSALS):
                await self._order_together(sent, rows, cause)
                return
        raise Unavailable("Others order the same all the time; it is tried again.")

    async def _something_was_refused(self, sent: Sent) -> bool:
        outcomes = await bulk_orders.outcomes(self._database, sent.bulk_id)
        return outcomes["invalid"] + outcomes["refused"] > 0

    async def _refusals_of(self, sent: Sent, rows: Sequence[Waiting], cause: Cause) -> list[tuple[Waiting, Refusal]]:
        """Each row is played through and taken back; a plate that stands there twice is refused the second time."""
        found: list[tuple[Waiting, Refusal]] = []
        plates: set[tuple[str, str]] = set()
        for row in rows:
            plate = row.order.country, row.order.plate
            try:
                if row.order.plate and plate in plates:
                    raise PlateTaken
                plates.add(plate)
                await self._order_together(sent, [row], cause.rehearsed())
            except _REFUSALS as refusal:
                found.append((row, refusal))
        return found

    async def _finish(self, sent: Sent, cause: Cause) -> None:
        outcomes = await bulk_orders.outcomes(self._database, sent.bulk_id)
        left = outcomes["not-ordered"] + outcomes["waiting"]
        decide = partial(
            rules.finish,
            done=outcomes["done"],
            refused=outcomes["refused"],
            invalid=outcomes["invalid"],
            not_ordered=left,
        )
        statements = [bulk_orders.left_out(sent.bulk_id), bulk_orders.finished(sent.bulk_id, self._clock())]
        cause = cause.ensuring(lambda _: statements)
        await self._streams.change(BULK_ORDERS, sent.bulk_id, decide, cause)

    # Questions --------------------------------------------------------------------------------------------------------

    async def see(self, bulk_id: str, actor: Actor) -> Row:
        """A bulk order in reach, and how far it is. Raises NotFound, NotPermitted."""
        await self._must_see(bulk_id, actor)
        bulk = await bulk_orders.one(self._database.asked_by(actor), bulk_id)
        if bulk is None:
            raise NotFound
        return bulk

    async def rows(self, bulk_id: str, outcome: Outcome | None, after: int, actor: Actor) -> list[Row]:
        """What became of the rows of a bulk order in reach, a page of them. Raises NotFound, NotPermitted."""
        await self._must_see(bulk_id, actor)
        return await bulk_orders.rows_of(self._database.asked_by(actor), bulk_id, outcome, after)

    async def of_account(self, account_id: str, before: str, actor: Actor) -> list[Row]:
        """The bulk orders of an account in reach, the latest first. Raises NotFound, NotPermitted."""
        account = await payment_of(self._database, account_id)
        await self._access.require(actor, policy.READ_BULK_ORDER, account_id, exists=account is not None)
        return await bulk_orders.of_account(self._database.asked_by(actor), account_id, before)

    async def _must_see(self, bulk_id: str, actor: Actor) -> None:
        account = await bulk_orders.account_of(self._database, bulk_id)
        await self._access.require(actor, policy.READ_BULK_ORDER, account or "", exists=account is not None)


def _rows(
    read: Sequence[tuple[int, Mapping[str, str]]], account_id: str, name: str | None
) -> list[Waiting | tuple[int, Wrong]]:
    """Each row of a file with the product that it makes, or what is wrong with it."""
    orders = [(line, rules.order_of(cells)) for line, cells in read]
    good = [order for _, order in orders if isinstance(order, Order)]
    made = iter(order_file.products_of(rules.identities(good, account_id=account_id, name=name)))
    return [Waiting(line, next(made), order) if isinstance(order, Order) else (line, order) for line, order in orders]
