"""`PricingShards` over Ray: routes each cell to the actor that owns it."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any

from actors.calls import actor, ask
from actors.names import pricing_name
from actors.quote_batches import QuoteBatches
from resort.errors import SnowgateError
from resort.pricing import Quote, QuoteRequest, shard_of

WHAT = "The pricing shard"


class RayPricingShards:
    """Calls to the shards with a time limit. A restarted shard is found again by its name."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._batches = [QuoteBatches(partial(_quotes, shard)) for shard in range(shards)]

    async def quote(self, request: QuoteRequest) -> Quote:
        """See the port. Those that come together go together."""
        return await self._batches[shard_of(request.product, request.day, self._shards)].quote(request)

    async def hold(self, quote: Quote, order_id: str) -> None:
        """See the port."""
        await ask(self._owner(quote.product, quote.day).hold.remote(quote, order_id), WHAT)

    async def release(self, product: str, day: date, order_id: str) -> None:
        """See the port."""
        await ask(self._owner(product, day).release.remote(product, day, order_id), WHAT)

    async def places_left(self, product: str, day: date) -> int:
        """See the port."""
        left: int = await ask(self._owner(product, day).places_left.remote(product, day), WHAT)
        return left

    def _owner(self, product: str, day: date) -> Any:
        return actor(pricing_name(shard_of(product, day, self._shards)), WHAT)


async def _quotes(shard: int, requests: Sequence[QuoteRequest]) -> Sequence[Quote | SnowgateError]:
    told: Sequence[Quote | SnowgateError] = await ask(actor(pricing_name(shard), WHAT).quotes.remote(requests), WHAT)
    return told
