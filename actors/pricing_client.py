"""`PricingShards` over Ray: routes each cell to the actor that owns it."""

from datetime import date
from typing import Any

from actors.calls import actor, ask
from actors.names import pricing_name
from resort.pricing import Quote, QuoteRequest, shard_of

WHAT = "The pricing shard"


class RayPricingShards:
    """Calls to the shards with a time limit. A restarted shard is found again by its name."""

    def __init__(self, shards: int) -> None:
        self._shards = shards

    async def quote(self, request: QuoteRequest) -> Quote:
        """See the port."""
        quote: Quote = await ask(self._owner(request.product, request.day).quote.remote(request), WHAT)
        return quote

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
