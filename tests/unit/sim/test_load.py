"""A load against lanes that the test plays: real scanner lines, real steel, and a doorkeeper who knows the codes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
import pytest

from orchestrator.stages import LoadMix, LoadOrder, LoadPhase, LoadTally
from resort.clock import SystemClock
from resort.errors import Invalid, Refused, Unavailable
from resort.site import ScannerLine
from sim.load import BUY_TRIES, ORDER_UNITS, Load
from sim.scanner_server import ScannerServer
from sim.shop_client import BoughtTicket
from sim.truth import ArmTurned, ArmUnlocked, CodeShown, GuestLeft, LoadBegan, SteelCounted, TicketBought, Truth, read_truth
from sim.turnstile import SimTurnstile

WAIT_S = 60
TODAY = date(2026, 12, 5)
WINDOW_MS = 400
HONEST = LoadMix(1, 0, 0, 0, 0, 0, 0, 0)
R = TypeVar("R", bound=Truth)


class Shop:
    """Sells at once. `troubles` are raised first, one for each order."""

    def __init__(self, *troubles: Exception) -> None:
        self.sold: dict[str, date] = {}  # by code
        self.orders: list[int] = []
        self._troubles = list(troubles)

    async def buy(self, product: str, day: date, units: dict[str, int]) -> list[BoughtTicket]:
        assert product == "single"
        if self._troubles:
            raise self._troubles.pop(0)
        self.orders.append(sum(units.values()))
        tickets = [
            BoughtTicket(f"t{len(self.sold) + n}", "adult", f"CODE {len(self.sold) + n}") for n in range(self.orders[-1])
        ]
        self.sold |= {ticket.code: day for ticket in tickets}
        return tickets


class Doorkeeper:
    """Plays the lanes: hears each scanner, and unlocks once for each ticket of today. Unless it `answers` it ignores them."""

    def __init__(self, shop: Shop, steel: dict[str, SimTurnstile], scanners: ScannerServer) -> None:
        self.answers = True
        self.used: set[str] = set()
        self._shop, self._steel, self._scanners = shop, steel, scanners
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        for lane_id in self._steel:
            self._tasks.append(asyncio.create_task(self._serve(lane_id), name=f"doorkeeper of {lane_id}"))
            await self._scanners.until_listeners(lane_id, 1)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, lane_id: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(self._scanners.url(lane_id)).port)
        try:
            while line := await reader.readline():
                if self.answers:
                    self._decide(self._steel[lane_id], line.decode().removesuffix("\r\n"))
        finally:
            writer.close()
            await writer.wait_closed()

    def _decide(self, steel: SimTurnstile, code: str) -> None:
        if self._shop.sold.get(code) == TODAY and code not in self.used:
            self.used.add(code)
            steel.pulse_entry()
        else:
            steel.show("refused")


class Stand:
    """One load with everything around it."""

    def __init__(self, load: Load, keeper: Doorkeeper, shop: Shop, steel: dict[str, SimTurnstile], truth: Path) -> None:
        self.load, self.keeper, self.shop, self.steel, self._truth = load, keeper, shop, steel, truth

    async def until(self, holds: Callable[[LoadTally], object]) -> LoadTally:
        """Look until it holds; a failed load is an answer too."""
        async with asyncio.timeout(WAIT_S):
            while not holds(tally := self.load.tally()) and tally.phase != "failed":
                # Steel that nobody polls must be told that its window is over; in the stage the server does that.
                for arm in self.steel.values():
                    arm.settle()
                await asyncio.sleep(0.002)
        return tally

    async def done(self) -> LoadTally:
        return await self.until(lambda tally: tally.phase == "done")

    def truth(self, kind: type[R]) -> list[R]:
        return [record for record in read_truth(self._truth) if isinstance(record, kind)]


def an_order(folder: Path, scans: int = 60, **changes: object) -> LoadOrder:
    order = LoadOrder(str(folder / "truth.jsonl"), 400.0, scans, hesitate=0.0, turn_ms=(0.0, 2.0))
    return msgspec.structs.replace(order, **changes)


@asynccontextmanager
async def standing(order: LoadOrder, lanes: int = 3, shop: Shop | None = None) -> AsyncIterator[Stand]:
    clock = SystemClock()
    steel = {f"lane-{number}": SimTurnstile(WINDOW_MS, clock) for number in range(lanes)}
    scanners, shop = ScannerServer({lane_id: ScannerLine() for lane_id in steel}), shop or Shop()
    async with AsyncExitStack() as closers:
        await scanners.start()
        closers.push_async_callback(scanners.stop)
        keeper = Doorkeeper(shop, steel, scanners)
        closers.push_async_callback(keeper.stop)
        await keeper.start()
        load = Load(order, steel, scanners, shop, TODAY, clock)
        closers.push_async_callback(load.stop)
        load.start()
        yield Stand(load, keeper, shop, steel, Path(order.truth))


async def test_the_books_of_a_load_balance(tmp_path: Path) -> None:
    async with standing(an_order(tmp_path, 200, hesitate=0.05)) as stand:
        tally = await stand.done()
        assert tally.done
        assert (tally.planned, tally.presented, tally.unheard, tally.waiting) == (200, 200, 0, 0)
        assert tally.unlocks == tally.turns + tally.hesitated == len(stand.keeper.used)
        assert tally.unlocks + tally.refused == 200
        assert tally.bought == len(stand.shop.sold) == len(stand.truth(TicketBought))
        assert sum(tally.kinds.values()) == 200
        assert len(stand.truth(ArmUnlocked)) == tally.unlocks
        assert len(stand.truth(ArmTurned)) == tally.turns == sum(arm.counter_in for arm in stand.steel.values())
        assert Counter(left.how for left in stand.truth(GuestLeft)) == Counter(
            turned=tally.turns, refused=tally.refused, hesitated=tally.hesitated
        )
        counted = {record.lane: record for record in stand.truth(SteelCounted)}
        for lane_id, arm in stand.steel.items():
            assert (counted[lane_id].pulses, counted[lane_id].unlocks) == (arm.pulses, arm.unlocks)
            assert counted[lane_id].turns_in == arm.counter_in


async def test_every_turn_has_the_name_of_who_stood_in_front(tmp_path: Path) -> None:
    async with standing(an_order(tmp_path, 200)) as stand:
        await stand.done()
        codes = {bought.ticket: bought.code for bought in stand.truth(TicketBought)}
        turned = [codes[record.ticket] for record in stand.truth(ArmTurned)]
        assert sorted(turned) == sorted(stand.keeper.used)
        for record in stand.truth(ArmTurned):
            assert record.guest
            assert not record.free
            assert stand.shop.sold[codes[record.ticket]] == TODAY
        refused = {left.kind for left in stand.truth(GuestLeft) if left.how == "refused"}
        assert refused >= {"forged", "not_ours", "wrong_day", "twin"}


async def test_the_same_seed_shows_the_same_codes_at_the_same_lanes(tmp_path: Path) -> None:
    shown = []
    for run, seed in (("first", 7), ("second", 7), ("third", 8)):
        (tmp_path / run).mkdir()
        async with standing(an_order(tmp_path / run, seed=seed)) as stand:
            await stand.done()
            records = sorted(stand.truth(CodeShown), key=lambda record: record.guest)
            shown.append([(record.guest, record.lane, record.kind, record.ticket) for record in records])
    assert shown[0] == shown[1] != shown[2]


async def test_tickets_are_bought_in_full_orders_for_their_days(tmp_path: Path) -> None:
    async with standing(an_order(tmp_path, 150, mix=LoadMix(2, 0, 0, 0, 0, 0, 1, 1))) as stand:
        await stand.done()
        pools = Counter(bought.pool for bought in stand.truth(TicketBought))
        days = Counter(stand.shop.sold.values())
        assert pools["tomorrow"] == days[TODAY + timedelta(days=1)] > 0
        assert pools["blocked"] > 0
        assert days[TODAY] == pools["today"] + pools["blocked"]
        assert max(stand.shop.orders) == ORDER_UNITS
        assert sum(units < ORDER_UNITS for units in stand.shop.orders) <= 3  # the last order of each pool


async def test_a_load_on_hold_waits_for_the_word(tmp_path: Path) -> None:
    async with standing(an_order(tmp_path, hold=True)) as stand:
        with pytest.raises(Invalid, match="buying"):
            stand.load.go()
        await stand.until(lambda tally: tally.phase == "stocked")
        assert stand.truth(LoadBegan) == []
        assert stand.load.tally().running_s == 0.0
        stand.load.go()
        tally = await stand.done()
        assert tally.presented == 60
        assert tally.running_s > 0.0
        with pytest.raises(Invalid, match="done"):
            stand.load.go()


async def test_twins_show_their_code_at_the_same_moment(tmp_path: Path) -> None:
    order = an_order(tmp_path, 20, mix=LoadMix(0, 0, 0, 1, 0, 0, 0, 0), rate_per_s=40.0)
    async with standing(order, lanes=2) as stand:
        await stand.done()
        shown = stand.truth(CodeShown)
        assert len(shown) == 20
        for one, other in zip(shown[::2], shown[1::2], strict=True):
            assert one.ticket == other.ticket
            assert one.lane != other.lane
        assert len(stand.truth(ArmTurned)) == 10


async def test_who_gets_no_answer_shows_the_code_again_and_walks_away(tmp_path: Path) -> None:
    order = an_order(tmp_path, 2, mix=HONEST, show_again_ms=20.0, patience_ms=500.0)
    async with standing(order, lanes=1) as stand:
        stand.keeper.answers = False
        tally = await stand.done()
        assert (tally.presented, tally.gave_up, tally.unlocks) == (2, 2, 0)
        assert [left.how for left in stand.truth(GuestLeft)] == ["gave_up", "gave_up"]
        for guest in (1, 2):
            attempts = [record.attempt for record in stand.truth(CodeShown) if record.guest == guest]
            assert attempts == list(range(1, len(attempts) + 1))
            assert len(attempts) > 1


async def test_a_late_second_answer_is_for_who_showed_the_code_twice(tmp_path: Path) -> None:
    order = an_order(tmp_path, 2, mix=HONEST, show_again_ms=30.0)
    async with standing(order, lanes=1) as stand:
        stand.keeper.answers = False
        await stand.until(lambda tally: tally.shown >= 2)
        arm = stand.steel["lane-0"]
        arm.show("refused")  # the first answer
        await stand.until(lambda tally: tally.refused == 1)
        arm.pulse_entry()  # and the second, while he still stands there
        await stand.until(lambda tally: tally.turns == 1)
        stand.keeper.answers = True
        await stand.done()
        first = stand.truth(GuestLeft)[0]
        assert (first.guest, first.how) == (1, "turned")
        assert [turn.guest for turn in stand.truth(ArmTurned)] == [1, 2]


async def test_an_arm_that_stands_open_for_somebody_else_is_let_alone(tmp_path: Path) -> None:
    order = an_order(tmp_path, 1, mix=HONEST, hold=True)
    async with standing(order, lanes=1) as stand:
        await stand.until(lambda tally: tally.phase == "stocked")
        stand.steel["lane-0"].pulse_entry()
        stand.load.go()
        await stand.done()
        stray, own = stand.truth(ArmUnlocked)
        assert (stray.guest, stray.kind, stray.ticket) == (0, "", "")
        assert own.guest == 1
        assert [turn.guest for turn in stand.truth(ArmTurned)] == [1]


async def test_under_fire_release_people_go_on_nobodys_ticket(tmp_path: Path) -> None:
    async with standing(an_order(tmp_path, 10, hold=True)) as stand:
        await stand.until(lambda tally: tally.phase == "stocked")
        for arm in stand.steel.values():
            arm.fire_release = True
        stand.load.go()
        tally = await stand.done()
        assert (tally.presented, tally.turns, tally.unlocks) == (0, 10, 0)
        assert {(turn.free, turn.ticket) for turn in stand.truth(ArmTurned)} == {(True, "")}


async def test_a_long_queue_sends_newcomers_to_the_shortest(tmp_path: Path) -> None:
    order = an_order(tmp_path, 12, mix=HONEST, rate_per_s=1e6, queue_limit=2, show_again_ms=50.0, patience_ms=200.0)
    async with standing(order, lanes=3) as stand:
        stand.keeper.answers = False
        await stand.done()
        assert max(Counter(left.lane for left in stand.truth(GuestLeft)).values()) <= 5


async def test_pausing_lets_who_stands_in_front_finish_and_sends_the_others_home(tmp_path: Path) -> None:
    async with standing(an_order(tmp_path, 2_000)) as stand:
        await stand.until(lambda tally: tally.turns > 5)
        counts = await stand.load.pause()
        assert 5 < counts["turns"] < 2_000
        assert counts["presented"] == len(stand.truth(GuestLeft))
        phase: LoadPhase = stand.load.phase
        assert phase == "done"
        assert stand.load.tally().waiting == 0
        stand.load.ordered("fault", "lane-0", on=True)  # nobody writes any more
        assert len(stand.truth(SteelCounted)) == 3


async def test_pausing_before_anybody_came_ends_it_too(tmp_path: Path) -> None:
    async with standing(an_order(tmp_path, hold=True)) as stand:
        await stand.until(lambda tally: tally.phase == "stocked")
        assert (await stand.load.pause())["presented"] == 0


async def test_what_the_steel_does_after_the_last_guest_is_written_down(tmp_path: Path) -> None:
    async with standing(an_order(tmp_path, 5, mix=HONEST)) as stand:
        await stand.done()
        stand.steel["lane-1"].pulse_entry()
        stand.steel["lane-1"].force_in()
        assert stand.truth(ArmUnlocked)[-1].guest == stand.truth(ArmTurned)[-1].guest == 0


# ---- what goes wrong


async def test_a_shop_that_refuses_fails_the_load_in_its_words(tmp_path: Path) -> None:
    async with standing(an_order(tmp_path), shop=Shop(Refused("sold_out: no place is left"))) as stand:
        tally = await stand.done()
        assert (tally.phase, tally.presented) == ("failed", 0)
        assert "no place is left" in tally.problem


async def test_a_shop_that_is_away_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    async with standing(an_order(tmp_path, 3, mix=HONEST), shop=Shop(Unavailable("The shop", "busy"))) as stand:
        assert (await stand.done()).presented == 3
    assert BUY_TRIES > 1


async def test_a_truth_that_cannot_be_written_fails_the_load(tmp_path: Path) -> None:
    order = msgspec.structs.replace(an_order(tmp_path), truth="/dev/full")
    async with standing(order) as stand:
        tally = await stand.done()
        assert tally.phase == "failed"
        assert "truth" in tally.problem.lower()


async def test_an_order_that_cannot_be_carried_out_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="rate_per_s"):
        async with standing(an_order(tmp_path, rate_per_s=0.0)):
            pass
    assert not (tmp_path / "truth.jsonl").exists()
