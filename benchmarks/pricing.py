"""`snowgate bench pricing`: how quickly prices are quoted, over HTTP and inside, beside limits measured in the same run.

The path is the real one: a whole resort in processes of its own (`snowgate up`, no guests), `POST /api/quotes`, the pricing
shard by Ray, the quote kept in SQL before it is answered. In turn:

- guests at random, 300 a second: how long each waits, from the moment at which he came;
- a crowd of 64 who ask again as soon as they are answered: how many quotes a second there can be;
- inside: the same questions to the shards' clients, without HTTP, with 64 under way;
- limits: an aiohttp server that decides and keeps nothing, under the same crowd; bare Ray actor calls with 64 under way.
"""

import asyncio
import contextlib
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import ray

from actors.names import NAMESPACE, pricing_name
from actors.pricing import PricingActor
from actors.pricing_client import RayPricingShards
from benchmarks.drills.site_process import SiteProcess
from benchmarks.gate_limits import ray_calls_per_s
from benchmarks.http_load import closed_load, open_load, request_bytes
from orchestrator.cluster import start_local_ray
from orchestrator.measured import Measured, machine
from orchestrator.options import DEMO_SITE
from orchestrator.settings import load_site
from resort.access.service_day import site_day
from resort.clock import Clock, SystemClock
from resort.errors import Unavailable
from resort.figures import percentile
from resort.pricing import QuoteRequest
from resort.site import Site
from storage.migrate import upgrade

PER_S = 300.0
CROWD = 64
CELLS = 60  # days asked for
WARM_S = 1.0


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run the bench: `seconds` times three for guests at random, once for each other part. Raises Unavailable."""
    site, clock = load_site(DEMO_SITE), SystemClock()
    asked = _questions(site, seed, clock)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="snowgate-pricing-") as folder:
        told("opening a resort …")
        async with _open_site(Path(folder)) as address:
            requests = [request_bytes(address, "/api/quotes", _body(question)) for question in asked]
            await closed_load(address, requests, CROWD, WARM_S, clock)
            told(f"{PER_S:g} guests a second …")
            guests = await open_load(address, requests, PER_S, 3 * seconds, seed, clock, partial(_told, told))
            guests.good(201)
            for percent in (50, 95, 99):
                figures[f"quote_p{percent}_ms"] = percentile(guests.waited_ms, percent)
            figures["quotes_asked_per_s"] = len(guests.waited_ms) / guests.seconds
            told(f"{CROWD} who ask again and again …")
            crowd = await closed_load(address, requests, CROWD, seconds, clock)
            figures["quotes_per_s"] = crowd.good(201) / crowd.seconds
            length = len(crowd.sample)
        told("the limits …")
        limits = {"aiohttp_per_s": await _bare_rate(length, seconds, clock)}
        figures["inside_quotes_per_s"], limits["ray_calls_per_s"] = await _inside(Path(folder), site, asked, seconds, clock)
    ratios = {
        "quotes_over_bare_aiohttp": figures["quotes_per_s"] / limits["aiohttp_per_s"],
        "inside_over_ray_calls": figures["inside_quotes_per_s"] / limits["ray_calls_per_s"],
    }
    return Measured("pricing", seed, machine(), figures, limits, ratios)


def _questions(site: Site, seed: int, clock: Clock) -> list[QuoteRequest]:
    """Every product that is sold by the day, over many days, in small parties; the same by seed and day."""
    dice = random.Random(seed)  # noqa: S311 - what guests ask for
    today = site_day(clock.now().at, site)
    products = [product for product in site.products if product.season is None and (product.quota_per_day or 0) > 0]
    questions = []
    for number in range(CELLS * len(products)):
        product = products[number % len(products)]
        day = today + timedelta(days=dice.randrange(1, min(CELLS, site.sales_limits.horizon_days)))
        unit = next(price.unit for price in product.units if price.unit not in product.companions)
        questions.append(QuoteRequest(product.code, day, {unit: dice.randrange(1, 4)}, "shop"))
    return questions


def _told(told: Callable[[str], None], number: int) -> None:
    told(f"{number} guests")


def _body(question: QuoteRequest) -> bytes:
    return msgspec.json.encode({"product": question.product, "day": question.day, "units": question.units})


@asynccontextmanager
async def _open_site(folder: Path) -> AsyncIterator[str]:
    site = SiteProcess(DEMO_SITE, folder / "data", None, {})
    try:
        await site.open()
        yield site.address
        if await site.close() != 0:
            raise Unavailable("The resort under load", f"it did not close well; see {folder}")
    finally:
        await site.bury()


async def _bare_rate(length: int, seconds: float, clock: Clock) -> float:
    command = (sys.executable, "-m", "benchmarks.bare_server", str(length))
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        address = (await server.stdout.readline()).decode().strip()
        requests = [request_bytes(address, "/api/quotes", b'{"product":"single","day":"2026-12-01","units":{"adult":2}}')]
        await closed_load(address, requests, CROWD, WARM_S, clock)
        answers = await closed_load(address, requests, CROWD, seconds, clock)
        return answers.good(201) / answers.seconds
    finally:
        server.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            await server.wait()


async def _inside(folder: Path, site: Site, asked: list[QuoteRequest], seconds: float, clock: Clock) -> tuple[float, float]:
    """Quotes a second by the shards' clients, and bare Ray calls a second, in a Ray of the bench's own."""
    url = f"sqlite:///{folder}/inside.db"
    await upgrade(url)
    shards = site.runtime.pricing_shards
    start_local_ray(folder / "ray", shards + 2)
    try:
        made: Any = ray.remote(PricingActor)
        actors = [
            made.options(name=pricing_name(shard), namespace=NAMESPACE).remote(shard, shards, site, url)
            for shard in range(shards)
        ]
        await asyncio.gather(*(actor.ping.remote() for actor in actors))
        client, done, began = RayPricingShards(shards), 0, clock.now()

        async def asker(number: int) -> None:
            nonlocal done
            turn = number
            while clock.now().ms_since(began) < seconds * 1000:
                await client.quote(asked[turn % len(asked)])
                done, turn = done + 1, turn + CROWD

        await asyncio.gather(*(asker(number) for number in range(CROWD)))
        rate = done / (clock.now().ms_since(began) / 1000)
        await asyncio.gather(*(actor.close.remote() for actor in actors))
        for actor in actors:
            ray.kill(actor)
        return rate, await ray_calls_per_s(clock, seconds)
    finally:
        ray.shutdown()
