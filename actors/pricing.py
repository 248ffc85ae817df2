"""One pricing shard: prices requests and owns the inventory cells that `shard_of` gives it.

A plain class; `orchestrator/cluster.py` makes it remote. It keeps nothing that SQL does not hold, so its constructor is its
recovery, and a second incarnation beside a dying first one can do no harm: see `storage/inventory_sql.py` for the guards.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta

from resort.access.service_day import site_day
from resort.clock import Clock, SystemClock
from resort.errors import Bug, Busy, DatabaseUnavailable, Invalid, NotFound, SnowgateError, SoldOut
from resort.ids import IdSource, RandomIds
from resort.pricing import Quote, QuoteRequest, check_request, make_quote, shard_of
from resort.site import ProductSite, Site
from resort.slots import cell_of, check_slot, metered, product_of
from storage.database import Database
from storage.inventory_sql import (
    CellBook,
    cell_books,
    forget_quotes,
    load_cell,
    old_quotes_exist,
    overdue_cells,
    places_free,
    set_meters,
    set_quota,
    store_changes,
    store_quotes,
)
from storage.rounds import Rounds

SWEEP_S = 1.0
QUEUE_PER_CELL = 200  # callers waiting at one cell before more are told to come back
RETRY_AFTER_S = 1.0
QUOTES_KEPT = timedelta(days=1)  # after their expiry, for questions about a price

Cell = tuple[str, date]

_log = logging.getLogger("snowgate.pricing")


class PricingActor:
    """Shard `shard` of `shards`.

    Promise: a quote or hold is durable before it is answered; a cell's places are never sold twice, whatever crashes. After
    Unavailable or a lost answer the caller repeats the call: `hold` and `release` are idempotent by order id. Calls of one
    cell are taken one at a time in order; when too many wait, Busy says when to come back. Lapsed holds go back to sale
    within about a second. Call `close` at the end.
    """

    def __init__(
        self,
        shard: int,
        shards: int,
        site: Site,
        database_url: str,
        clock: Clock | None = None,
        ids: IdSource | None = None,
    ) -> None:
        self._shard = shard
        self._shards = shards
        self._site = site
        self._db = Database(database_url)
        self._clock = clock or SystemClock()
        self._ids = ids or RandomIds()
        self._turns: dict[Cell, asyncio.Lock] = {}
        self._waiting: dict[Cell, int] = {}
        self._with_quota: set[Cell] = set()  # cells whose row is known to carry the site file's quota
        self._rounds = Rounds(f"pricing {shard} sweep", self._sweep_round, SWEEP_S)
        self._away = False

    async def start(self) -> None:
        """Begin to sweep: every incarnation does, before it answers anybody."""
        self._wake()

    async def ping(self) -> bool:
        """Proof of life."""
        return True

    async def quote(self, request: QuoteRequest) -> Quote:
        """Price the request and keep the quote. Raises NotFound, Invalid, SoldOut (a slot is full), DatabaseUnavailable.

        A quote promises the price, not the places: those are taken by `hold`.
        """
        (told,) = await self.quotes([request])
        if isinstance(told, SnowgateError):
            raise told
        return told

    async def quotes(self, requests: Sequence[QuoteRequest]) -> list[Quote | SnowgateError]:
        """The same for many at once, in one unit: a quote, or why there is none, for each. Raises DatabaseUnavailable."""
        now = self._clock.now().at
        told = await self._with_places([self._priced(request, now) for request in requests], now)
        made = [quote for quote in told if isinstance(quote, Quote)]
        if made:
            await store_quotes(self._db, made)
        return told

    async def hold(self, quote: Quote, order_id: str) -> None:
        """Take the quote's places for this order until `hold_s` from now.

        Raises SoldOut, HoldExpired (this order's hold ran out before), WrongState, NotFound, Busy, DatabaseUnavailable.
        """
        self._own(quote.cell, quote.day)
        quota = self._quota(quote.cell)
        async with self._turn(quote.cell, quote.day):
            now = self._clock.now().at
            until = now + timedelta(seconds=self._site.sales_limits.hold_s)
            async with self._db.write() as connection:
                if (quote.cell, quote.day) not in self._with_quota:
                    await set_quota(connection, quote.cell, quote.day, quota)
                cell = await load_cell(connection, quote.cell, quote.day, order_id, now)
                assert cell is not None
                await store_changes(connection, cell, cell.hold(order_id, quote.places, until, now))
            self._with_quota.add((quote.cell, quote.day))

    async def release(self, cell: str, day: date, order_id: str) -> None:
        """Give an unpaid order's places back. Raises WrongState when it is paid, Busy, DatabaseUnavailable."""
        self._own(cell, day)
        async with self._turn(cell, day):
            now = self._clock.now().at
            async with self._db.write() as connection:
                found = await load_cell(connection, cell, day, order_id, now)
                if found is not None:
                    await store_changes(connection, found, found.release(order_id, now))

    async def places_left(self, cell: str, day: date) -> int:
        """Places that can be sold now. Raises NotFound, DatabaseUnavailable."""
        self._own(cell, day)
        quota = self._quota(cell)
        async with self._db.read() as connection:
            return await places_free(connection, cell, day, quota, self._clock.now().at)

    async def meter(self, product: str, day: date, places: Mapping[str, int]) -> dict[str, int]:
        """Let these slots sell so many places in all, over restarts too; answers what each may sell now.

        At most the site's own places; what is sold or held stays, even where it is more. Raises NotFound, Invalid,
        DatabaseUnavailable.
        """
        for slot in places:
            self._own(cell_of(product, slot), day)
        allowed = metered(product, self._product(product).slots, places)
        cells = {cell_of(product, slot): most for slot, most in allowed.items()}
        async with self._db.write() as connection:
            await set_meters(connection, day, cells)
            books = await cell_books(connection, list(cells), day, day, self._clock.now().at)
        taken = {cell: books[cell, day].taken - books[cell, day].overdue for cell in cells}
        return {slot: max(most, taken[cell_of(product, slot)]) for slot, most in allowed.items()}

    async def sweep(self) -> int:
        """Give back the places of holds that ran out, and forget old quotes; answers the number of holds."""
        now = self._clock.now().at
        async with self._db.read() as connection:
            cells = [cell for cell in await overdue_cells(connection, now) if self._owns(*cell)]
            stale = self._shard == 0 and await old_quotes_exist(connection, now - QUOTES_KEPT)
        expired = 0
        for product, day in cells:
            async with self._turn(product, day), self._db.write() as connection:
                cell = await load_cell(connection, product, day, None, now)
                if cell is not None:
                    changes = cell.expire(now)
                    await store_changes(connection, cell, changes)
                    expired += len(changes)
        if stale:
            async with self._db.write() as connection:
                await forget_quotes(connection, now - QUOTES_KEPT)
        return expired

    async def close(self) -> None:
        """Stop sweeping and close the connections; idempotent."""
        await self._rounds.close()
        await self._db.dispose()

    def _priced(self, request: QuoteRequest, now: datetime) -> Quote | SnowgateError:
        self._own(request.cell, request.day)
        limits = self._site.sales_limits
        try:
            product = check_request(request, self._site.product(request.product), site_day(now, self._site), limits)
            check_slot(product.code, product.slots, request.slot, request.day, now, self._site.zone)
        except (NotFound, Invalid) as error:
            return error
        return make_quote(request, product, self._site.tariff, limits, now, self._ids)

    async def _with_places(self, told: list[Quote | SnowgateError], now: datetime) -> list[Quote | SnowgateError]:
        """The same, but refused where a slot has too few places left by now: who picks a time wants to know at once."""
        timed = [quote for quote in told if isinstance(quote, Quote) and quote.slot is not None]
        if not timed:
            return told
        days = [quote.day for quote in timed]
        async with self._db.read() as connection:
            books = await cell_books(connection, {quote.cell for quote in timed}, min(days), max(days), now)
        full: dict[str, SoldOut] = {}
        for quote in timed:
            left = books.get((quote.cell, quote.day), CellBook()).free(self._quota(quote.cell))
            if quote.places > left:
                full[quote.quote_id] = SoldOut(quote.cell, quote.day.isoformat(), left)
        return [full.get(quote.quote_id, quote) if isinstance(quote, Quote) else quote for quote in told]

    def _product(self, code: str) -> ProductSite:
        product = self._site.product(code)
        if product is None:
            raise NotFound("product", code)
        return product

    def _quota(self, cell: str) -> int:
        """The site's own places in a cell. Raises NotFound."""
        code, slot = product_of(cell)
        product = self._product(code)
        starts = product.slots.starts() if product.slots is not None else []
        if (slot is None) != (product.slots is None) or (slot is not None and slot not in starts):
            raise NotFound("product", cell)
        return product.places_of(slot)

    def _owns(self, cell: str, day: date) -> bool:
        return shard_of(cell, day, self._shards) == self._shard

    def _own(self, cell: str, day: date) -> None:
        """Refuse cells of other shards, and see that the sweep runs: there is an event loop now."""
        if not self._owns(cell, day):
            owner = shard_of(cell, day, self._shards)
            raise Bug(f"{cell} on {day} belongs to shard {owner}, not to shard {self._shard}")
        self._wake()

    def _wake(self) -> None:
        self._rounds.start()

    @asynccontextmanager
    async def _turn(self, code: str, day: date) -> AsyncIterator[None]:
        """The caller's turn at the cell, in order of arrival."""
        cell = (code, day)
        if self._waiting.get(cell, 0) >= QUEUE_PER_CELL:
            raise Busy(f"The sale of {code} on {day}", RETRY_AFTER_S)
        self._waiting[cell] = self._waiting.get(cell, 0) + 1
        try:
            async with self._turns.setdefault(cell, asyncio.Lock()):
                yield
        finally:
            self._waiting[cell] -= 1
            if self._waiting[cell] == 0:
                del self._waiting[cell], self._turns[cell]

    async def _sweep_round(self) -> None:
        try:
            await self.sweep()
        except (DatabaseUnavailable, Busy) as error:
            if not self._away:
                _log.warning("shard %s cannot sweep: %s", self._shard, error)
            self._away = True
        except Exception:
            _log.exception("shard %s: a sweep failed", self._shard)
        else:
            if self._away:
                _log.info("shard %s sweeps again", self._shard)
            self._away = False
