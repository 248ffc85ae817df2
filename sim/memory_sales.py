"""Sales ports within one process, for tests and rehearsal: pricing shards without Ray, and lanes that are told in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from actors.pricing import PricingActor
from resort.access.entitlement import TicketRecord
from resort.clock import Clock
from resort.errors import LedgerUnavailable, Unavailable
from resort.ids import IdSource, TicketId
from resort.messages import TicketChanged
from resort.pricing import Quote, QuoteRequest, by_shard, shard_of
from resort.site import Site


class LocalPricing:
    """`PricingShards` by direct calls: every shard of the site in this process, on real SQL. `close` at the end."""

    def __init__(self, site: Site, database_url: str, clock: Clock | None = None, ids: IdSource | None = None) -> None:
        count = site.runtime.pricing_shards
        self.shards = [PricingActor(shard, count, site, database_url, clock, ids) for shard in range(count)]

    async def quote(self, request: QuoteRequest) -> Quote:
        """See the port."""
        return await self._owner(request.cell, request.day).quote(request)

    async def hold(self, quote: Quote, order_id: str) -> None:
        """See the port."""
        await self._owner(quote.cell, quote.day).hold(quote, order_id)

    async def release(self, cell: str, day: date, order_id: str) -> None:
        """See the port."""
        await self._owner(cell, day).release(cell, day, order_id)

    async def places_left(self, cell: str, day: date) -> int:
        """See the port."""
        return await self._owner(cell, day).places_left(cell, day)

    async def meter(self, product: str, day: date, places: Mapping[str, int]) -> dict[str, int]:
        """See the port."""
        allowed: dict[str, int] = {}
        for shard, part in by_shard(product, day, places, len(self.shards)).items():
            allowed |= await self.shards[shard].meter(product, day, part)
        return allowed

    async def sweep(self) -> int:
        """One sweep of every shard; answers the number of holds that ran out."""
        return sum([await shard.sweep() for shard in self.shards])

    async def close(self) -> None:
        """Close every shard."""
        for shard in self.shards:
            await shard.close()

    def _owner(self, cell: str, day: date) -> PricingActor:
        return self.shards[shard_of(cell, day, len(self.shards))]


class MemoryPublisher:
    """`EntitlementPublisher` into a dictionary. `calls` counts how often each ticket was published; `away` makes it fail.

    `told` is set once anything was published.
    """

    def __init__(self) -> None:
        self.records: dict[TicketId, TicketRecord] = {}
        self.calls: dict[TicketId, int] = {}
        self.away = False
        self.told = asyncio.Event()

    async def publish(self, tickets: Sequence[tuple[TicketId, TicketRecord]]) -> None:
        """See the port."""
        if self.away:
            raise LedgerUnavailable("The admission ledger", "it is away on purpose")
        for ticket_id, record in tickets:
            self.records.setdefault(ticket_id, record)
            self.calls[ticket_id] = self.calls.get(ticket_id, 0) + 1
        if tickets:
            self.told.set()

    async def change_status(self, change: TicketChanged) -> bool:
        """See the port."""
        if self.away:
            raise LedgerUnavailable("The admission ledger", "it is away on purpose")
        before = self.records.get(change.ticket_id)
        if before is None:
            return False
        entitlement = msgspec.structs.replace(before.entitlement, status=change.status)
        self.records[change.ticket_id] = TicketRecord(before.version + 1, entitlement, before.usage)
        return True


class MemoryNews:
    """`TicketNews` into a list; `away` makes it fail after it noted what it was told."""

    def __init__(self) -> None:
        self.told: list[TicketChanged] = []
        self.away = False

    async def tell(self, changes: Sequence[TicketChanged]) -> None:
        """See the port."""
        self.told += changes
        if self.away:
            raise Unavailable("A gate", "it is away on purpose")
