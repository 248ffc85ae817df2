"""`PricingShards` over Ray: routes each cell to the actor that owns it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from actors.calls import actor, ask
from actors.names import pricing_name
from actors.quote_batches import QuoteBatches
from resort.errors import SnowgateError
from resort.pricing import Quote, QuoteRequest, by_shard, shard_of

WHAT = "The pricing shard"


class RayPricingShards:
    """Calls to the shards with a time limit. A restarted shard is found again by its name."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._batches = [QuoteBatches(partial(_quotes, shard)) for shard in range(shards)]

    async def quote(self, request: QuoteRequest) -> Quote:
        """See the port. Those that come together go together."""
        return await self._batches[shard_of(request.cell, request.day, self._shards)].quote(request)

    async def hold(self, quote: Quote, order_id: str) -> None:
        """See the port."""
        await ask(self._owner(quote.cell, quote.day).hold.remote(quote, order_id), WHAT)

    async def release(self, cell: str, day: date, order_id: str) -> None:
        """See the port."""
        await ask(self._owner(cell, day).release.remote(cell, day, order_id), WHAT)

    async def places_left(self, cell: str, day: date) -> int:
        """See the port."""
        left: int = await ask(self._owner(cell, day).places_left.remote(cell, day), WHAT)
        return left

    async def meter(self, product: str, day: date, places: Mapping[str, int]) -> dict[str, int]:
        """See the port. Shards are asked at once; where one fails, the others keep what they were told."""
        parted = by_shard(product, day, places, self._shards)
        told = await asyncio.gather(
            *(ask(actor(pricing_name(shard), WHAT).meter.remote(product, day, part), WHAT) for shard, part in parted.items())
        )
        return {slot: most for part in told for slot, most in part.items()}

    def _owner(self, cell: str, day: date) -> Any:
        return actor(pricing_name(shard_of(cell, day, self._shards)), WHAT)


async def _quotes(shard: int, requests: Sequence[QuoteRequest]) -> Sequence[Quote | SnowgateError]:
    told: Sequence[Quote | SnowgateError] = await ask(actor(pricing_name(shard), WHAT).quotes.remote(requests), WHAT)
    return told
