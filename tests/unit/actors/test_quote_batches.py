"""Quotes by the handful: alone at once, together when they come together, each with its own answer."""

import asyncio
from collections.abc import Sequence
from datetime import date

import pytest

from actors.quote_batches import BATCH_MAX, WAITING_MAX, QuoteBatches
from resort.errors import Busy, NotFound, SnowgateError, Unavailable
from resort.ids import SeededIds
from resort.pricing import Quote, QuoteRequest, make_quote
from sim.ticket_shop import MORNING, TODAY, shop_site

SITE = shop_site()
IDS = SeededIds("batches")


def asked(product: str = "day", day: date = TODAY) -> QuoteRequest:
    return QuoteRequest(product, day, {"adult": 1})


class Shard:
    """Answers when it is let: `go` for each batch."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.fails: SnowgateError | None = None
        self.go = asyncio.Event()
        self.came = asyncio.Event()

    async def send(self, requests: Sequence[QuoteRequest]) -> Sequence[Quote | SnowgateError]:
        self.batches.append(len(requests))
        self.came.set()
        await self.go.wait()
        if self.fails is not None:
            raise self.fails
        return [self._one(request) for request in requests]

    def _one(self, request: QuoteRequest) -> Quote | SnowgateError:
        product = SITE.product(request.product)
        if product is None:
            return NotFound("product", request.product)
        return make_quote(request, product, SITE.tariff, SITE.sales_limits, MORNING, IDS)


async def test_one_alone_goes_at_once_and_those_that_come_meanwhile_go_together() -> None:
    shard = Shard()
    batches = QuoteBatches(shard.send)
    first = asyncio.create_task(batches.quote(asked()))
    await shard.came.wait()
    others = [asyncio.create_task(batches.quote(asked())) for _ in range(9)]
    await asyncio.sleep(0)
    shard.go.set()
    quotes = await asyncio.gather(first, *others)
    assert shard.batches == [1, 9]
    assert len({quote.quote_id for quote in quotes}) == 10
    assert await batches.quote(asked()), "and again"
    assert shard.batches == [1, 9, 1]


async def test_each_has_its_own_answer_and_a_refused_one_hurts_nobody() -> None:
    shard = Shard()
    shard.go.set()
    batches = QuoteBatches(shard.send)
    good, bad, last = await asyncio.gather(
        batches.quote(asked()), batches.quote(asked("moon")), batches.quote(asked()), return_exceptions=True
    )
    assert isinstance(good, Quote)
    assert isinstance(bad, NotFound)
    assert isinstance(last, Quote)


async def test_a_shard_that_is_away_is_told_to_everybody_and_asked_again_by_the_next() -> None:
    shard = Shard()
    shard.go.set()
    shard.fails = Unavailable("The pricing shard", "it is being restarted")
    batches = QuoteBatches(shard.send)
    answers = await asyncio.gather(*(batches.quote(asked()) for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 5
    shard.fails = None
    assert isinstance(await batches.quote(asked()), Quote)


async def test_who_no_longer_waits_is_left_out_and_batches_have_an_end() -> None:
    shard = Shard()
    batches = QuoteBatches(shard.send)
    first = asyncio.create_task(batches.quote(asked()))
    await shard.came.wait()
    waiting = [asyncio.create_task(batches.quote(asked())) for _ in range(BATCH_MAX + 10)]
    await asyncio.sleep(0)
    for task in waiting[:4]:
        task.cancel()
    shard.go.set()
    await asyncio.gather(first, *waiting, return_exceptions=True)
    assert shard.batches == [1, BATCH_MAX - 4, 10]


async def test_too_many_at_once_are_told_to_come_back() -> None:
    shard = Shard()
    batches = QuoteBatches(shard.send)
    waiting = [asyncio.create_task(batches.quote(asked())) for _ in range(WAITING_MAX)]
    await shard.came.wait()
    waiting += [asyncio.create_task(batches.quote(asked())) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await batches.quote(asked())
    shard.go.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(answer, Quote) for answer in answers) >= WAITING_MAX
