"""A display over real TCP: it shows what it is told, is told again, goes blank by itself, and comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from devices.sign_display import BLANK, VALID_S, LineSignDisplay
from resort.clock import ManualClock
from resort.errors import InvalidConfig
from resort.sign_words import sign_words
from resort.texts import Text
from sim.sign_server import SignServer

GATE = Text("北坡", "North gate")


class Stand:
    """A display and its driver; `until` waits for an edge that the display itself tells."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 12, 5, 1, 0, tzinfo=UTC))
        self._edge = asyncio.Event()
        self.server = SignServer(self.clock, self._edge.set)

    async def open(self, again_s: float = 30.0) -> LineSignDisplay:
        driver = LineSignDisplay(await self.server.start(), again_s)
        driver.start()
        return driver

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._edge.clear()
                await asyncio.wait([asyncio.ensure_future(self._edge.wait())], timeout=0.02)


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    stand = Stand()
    yield stand
    await stand.server.stop()
    stand._edge.set()
    await asyncio.sleep(0)


async def test_it_shows_what_it_is_told_and_confirms_it(stand: Stand) -> None:
    driver = await stand.open()
    words = sign_words(GATE, 200.0, 90.0)
    assert words == Text("请走 北坡, 步行 2 分钟, 等候约 4 分钟", "Take North gate, 2 min walk, about 4 min wait")
    driver.show(words)
    await stand.until(lambda: driver.shown == words)
    assert stand.server.text == words
    driver.show(BLANK)
    await stand.until(lambda: driver.shown == BLANK)
    assert stand.server.text is None
    await driver.close()


async def test_it_is_told_again_while_it_holds_and_blank_by_itself_when_nobody_tells(stand: Stand) -> None:
    driver = await stand.open(again_s=0.02)
    words = sign_words(GATE, None, 10.0)
    driver.show(words)
    await stand.until(lambda: stand.server.told > 4)
    assert stand.server.text == words
    stand.server.mute = True
    stand.server.hang_up()
    await stand.until(lambda: driver.shown is None)
    stand.clock.advance_ms(1_000 * VALID_S)
    assert stand.server.text is None
    await driver.close()


async def test_it_comes_back_after_a_power_cut_and_is_told_at_once(stand: Stand) -> None:
    driver = await stand.open()
    words = sign_words(GATE, 0.0, 60.0)
    driver.show(words)
    await stand.until(lambda: driver.shown == words)
    stand.server.hang_up()
    told = stand.server.told
    await stand.until(lambda: stand.server.told > told and driver.shown == words)
    await driver.close()


async def test_closing_leaves_no_old_words(stand: Stand) -> None:
    driver = await stand.open()
    driver.show(sign_words(GATE, 60.0, 60.0))
    await stand.until(lambda: stand.server.text is not None)
    await driver.close()
    assert stand.server.text is None
    await driver.close()


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidConfig):
        LineSignDisplay("http://display")
