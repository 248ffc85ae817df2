"""Requests for prices, sent to a pricing shard by the handful: one Ray call and one SQL unit for all that came meanwhile.

A request that comes while nothing is under way goes at once; those that come while a batch is under way wait for its answer and
go together. So a quiet shop pays no delay, and a busy one a call for dozens of quotes instead of one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from resort.errors import Busy, SnowgateError
from resort.pricing import Quote, QuoteRequest

BATCH_MAX = 128
WAITING_MAX = 2_000  # more than that and callers are told to come back
RETRY_AFTER_S = 1.0

Send = Callable[[Sequence[QuoteRequest]], Awaitable[Sequence[Quote | SnowgateError]]]


class QuoteBatches:
    """Of one shard. `send` answers a quote or an error for each request, in order; what it raises, the whole batch gets."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: list[tuple[QuoteRequest, asyncio.Future[Quote]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def quote(self, request: QuoteRequest) -> Quote:
        """Its quote. Raises what the shard raises, and Busy."""
        if len(self._waiting) >= WAITING_MAX:
            raise Busy("The sale", RETRY_AFTER_S)
        answer: asyncio.Future[Quote] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all(), name="quotes")
        return await answer

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                batch = [(request, answer) for request, answer in batch if not answer.done()]  # nobody waits any more
                if batch:
                    await self._send_batch(batch)
        finally:
            self._sending = None
            for _, answer in self._waiting:  # only when this task was cancelled: the loop ends
                answer.cancel()

    async def _send_batch(self, batch: Sequence[tuple[QuoteRequest, asyncio.Future[Quote]]]) -> None:
        try:
            told = await self._send([request for request, _ in batch])
        except Exception as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), quote in zip(batch, told, strict=True):
            if answer.done():
                continue
            if isinstance(quote, SnowgateError):
                answer.set_exception(quote)
            else:
                answer.set_result(quote)
