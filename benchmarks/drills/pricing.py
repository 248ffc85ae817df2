"""`snowgate drill pricing`: pricing shards, and the whole shop, are killed while a crowd buys; then the books are read.

Places are few, so that shards are asked for the last ones all the time, and holds are short, so that they lapse meanwhile.
Promised: 0 oversold cells, 0 charged without ticket, 0 places leaked, and nothing that a buyer was told is forgotten. The
control works in two steps instead of one unit (`actors/unguarded_sales.py`), and must leak.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path

import msgspec
import psutil
import yaml

from benchmarks.drills.books_judge import Books, held_places, judge_books
from benchmarks.drills.buyers import Buyers
from benchmarks.drills.site_process import SiteProcess, until
from benchmarks.drills.stand import SITE_FILE
from orchestrator.drills import DrillAsk, DrillOutcome, mark_for_drills
from orchestrator.measured import Measured, machine
from orchestrator.settings import load_site
from resort.access.service_day import site_day
from resort.clock import SystemClock
from resort.guards import DrillSettings, Guards
from resort.ids import RandomIds
from resort.site import ProductSite, Site
from storage.accounts import Accounts
from storage.database import Database
from storage.migrate import upgrade

CROWD = 24
DAYS = 4
QUOTA = 60  # a day
HOLD_S = 4
SHOP_KILLED = 0.15  # share of the faults that take the whole shop
BETWEEN_S = (0.3, 1.5)
SETTLE_S = 90.0
GOES_ON = 12  # buyers
NEVER = (
    "oversold_cells", "leaked_places", "charged_without_ticket", "tickets_unpaid", "charged_twice", "told_and_not_kept",
    "wrong_answers",
)  # fmt: skip


async def pricing(ask: DrillAsk, told: Callable[[str], None]) -> DrillOutcome:
    """Run it. Raises Unavailable when the shop cannot be had at all."""
    dice = random.Random(f"drill pricing {ask.seed}")  # noqa: S311 - a drill is repeated by its seed
    async with _open_shop(ask, told) as shop:
        buyers = Buyers(shop.key, shop.product, shop.days, ask.seed, lambda: shop.site.address)
        crowd = asyncio.create_task(buyers.run(CROWD), name="buyers")
        try:
            for number in range(ask.kills):
                await asyncio.sleep(dice.uniform(*BETWEEN_S))
                fault = await shop.strike(dice)
                await _goes_on(buyers)
                told(f"{number + 1:4} {fault}; {buyers.finished} came to their end")
            buyers.stop()
            await crowd
        finally:
            crowd.cancel()
            await asyncio.gather(crowd, return_exceptions=True)
        if crowd.done() and not crowd.cancelled() and (error := crowd.exception()) is not None:
            raise error
        await shop.until_no_hold()
        books = await judge_books(shop.database, buyers.told)
        code = await shop.site.close()
        figures = {
            **books._asdict(),
            "kills": ask.kills,
            "questions_repeated": buyers.told.lost,
            "sold_out": buyers.told.sold_out,
        }
        return _outcome(ask, books, figures, buyers.told.wrong[:5], code)


async def _goes_on(buyers: Buyers) -> None:
    """The shop sells again after a fault: as many come to their end as may have been waiting, and some more."""
    before = buyers.finished

    async def sold() -> bool:
        return buyers.finished >= before + CROWD + GOES_ON

    await until(sold, SETTLE_S, "The sale after a fault")


def _outcome(ask: DrillAsk, books: Books, figures: dict[str, int], wrong: list[str], code: int) -> DrillOutcome:
    above = [name for name in NEVER if getattr(books, name) > 0]
    remarks = [*wrong]
    if ask.control:
        held = "leaked_places" in above
        remarks.append(f"the guard was off and {'places leaked' if held else 'nothing'} showed it")
    else:
        held = not above and code == 0 and books.tickets > 0
        remarks += [f"{name} is {getattr(books, name)}, and must be 0" for name in above]
    measured = Measured(
        f"drill pricing{' control' if ask.control else ''}", ask.seed, machine(),
        {**{name: float(value) for name, value in figures.items()}, "load_average": round(os.getloadavg()[0], 1)},
        dict.fromkeys(NEVER, 0.0), {},
    )  # fmt: skip
    return DrillOutcome(measured, held, tuple(remarks))


class Shop:
    """The shop under test."""

    def __init__(self, site: SiteProcess, key: str, product: str, days: list[date], database: Database) -> None:
        self.site, self.key, self.product, self.days, self.database = site, key, product, days, database

    async def strike(self, dice: random.Random) -> str:
        """Kill something; answers what. A shop that was killed whole is opened again."""
        if dice.random() < SHOP_KILLED:
            number = await self.site.kill()
            await self.site.open()
            return f"the whole shop ({number} processes)"
        shards: list[psutil.Process] = await until(self._shards, SETTLE_S, "A pricing shard")
        with contextlib.suppress(psutil.NoSuchProcess):
            dice.choice(shards).send_signal(signal.SIGKILL)
        return "a pricing shard"

    async def until_no_hold(self) -> None:
        """Every hold has come to its end: whoever walked away gave his places back."""

        async def ended() -> bool:
            return await held_places(self.database) == 0

        await until(ended, SETTLE_S, "The end of every hold")

    async def _shards(self) -> list[psutil.Process]:
        return self.site.processes("ray::PricingActor") + self.site.processes("ray::TwoStepPricing")


@asynccontextmanager
async def _open_shop(ask: DrillAsk, told: Callable[[str], None]) -> AsyncIterator[Shop]:
    folder = Path(tempfile.mkdtemp(prefix="snowgate-drill-"))
    data = folder / "data"
    mark_for_drills(data)
    site, url = _small_shop(load_site(SITE_FILE)), f"sqlite+aiosqlite:///{data / 'snowgate.db'}"
    (folder / "shop.yaml").write_text(yaml.safe_dump(msgspec.to_builtins(site), allow_unicode=True))
    guards = Guards(one_unit=False) if ask.control else Guards()
    (folder / "drill.json").write_bytes(msgspec.json.encode(DrillSettings(guards)))
    await upgrade(url)
    database, clock = Database(url), SystemClock()
    process = SiteProcess(folder / "shop.yaml", data, folder / "drill.json", {})
    try:
        key = await Accounts(database, clock, RandomIds()).create_channel_key("drill buyers", "kiosk")
        told("opening the shop under test …")
        await process.open()
        today = site_day(clock.now().at, site)
        days = [today + timedelta(days=number) for number in range(1, DAYS + 1)]
        yield Shop(process, key, site.products[0].code, days, database)
    finally:
        await process.bury()
        await database.dispose()
        shutil.rmtree(folder, ignore_errors=True)


def _small_shop(site: Site) -> Site:
    """One gate, few places, short holds."""
    product: ProductSite = msgspec.structs.replace(site.products[0], quota_per_day=QUOTA)
    limits = msgspec.structs.replace(site.sales_limits, hold_s=HOLD_S)
    runtime = msgspec.structs.replace(site.runtime, pricing_shards=2)
    return msgspec.structs.replace(site, products=[product], sales_limits=limits, runtime=runtime)
