"""Guests of the rehearsal. They act only through physical things: they queue at a lane, hold a code up to its camera, watch
the arm and the lamp, push, and walk on. Seeded: who comes, how they behave and how long they take is drawn from the seed;
when the arm opens for them is up to the resort.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

import msgspec

from resort.access.codes import KEY_BYTES, SiteKeys, issue_code
from resort.errors import Refused, Unavailable
from resort.ids import SeededIds
from resort.site import LaneClass
from sim.camera_server import CameraServer
from sim.scene import Scene
from sim.shop_client import ShopClient
from sim.turnstile import SimTurnstile

Behaviour = Literal["honest", "used", "wrong_day", "forged", "not_ours", "unreadable", "hesitant", "wrong_lane"]
_log = logging.getLogger("snowgate.guests")


class Crowd(msgspec.Struct, frozen=True):
    """How the crowd behaves. Weights of behaviours; seconds of everything else, as (least, most)."""

    weights: tuple[tuple[Behaviour, float], ...] = (
        ("honest", 82.0),
        ("used", 5.0),
        ("wrong_day", 3.0),
        ("forged", 2.5),
        ("not_ours", 2.0),
        ("unreadable", 1.5),
        ("hesitant", 1.0),
        ("wrong_lane", 3.0),
    )
    arrival_s: float = 1.05  # mean gap between two guests who come to one lane
    step_up_s: tuple[float, float] = (0.08, 0.30)  # from the head of the queue to the reader
    push_s: tuple[float, float] = (0.12, 0.45)  # from the green light to the turn of the arm
    give_up_s: float = 9.0  # nobody holds a phone up for longer than this
    lower_s: float = 3.0  # how long a hesitant guest lowers the phone before trying again
    queue_limit: int = 12  # a longer queue sends newcomers elsewhere
    party: tuple[int, int] = (1, 6)
    stock: int = 24  # tickets of each kind that are bought ahead


@dataclass(slots=True)
class Wallets:
    """Codes in guests' hands, by what they are good for."""

    standard: deque[str] = field(default_factory=deque)
    fast: deque[str] = field(default_factory=deque)
    tomorrow: deque[str] = field(default_factory=deque)
    used: deque[str] = field(default_factory=lambda: deque(maxlen=200))


@dataclass(slots=True)
class Tally:
    """What the guests did and saw."""

    presented: int = 0
    went_through: int = 0
    refused_seen: int = 0
    gave_up: int = 0
    orders: int = 0
    orders_failed: int = 0


class _Lane:
    """One lane as guests see it."""

    def __init__(self, lane_id: str, lane_class: LaneClass, steel: SimTurnstile, dice: random.Random) -> None:
        self.lane_id, self.lane_class, self.steel, self.dice = lane_id, lane_class, steel, dice
        self.signals = steel.subscribe()
        self.somebody = asyncio.Event()
        self.closed = False  # nobody steps up any more

    def close(self) -> None:
        self.closed = True
        self.somebody.set()

    def join(self) -> None:
        self.steel.waiting += 1
        self.somebody.set()

    async def head_of_queue(self) -> bool:
        """Wait for somebody at the head of the queue; False once the lane is closed."""
        while self.steel.waiting == 0 and not self.closed:
            self.somebody.clear()
            await self.somebody.wait()
        return not self.closed

    def forget_signals(self) -> None:
        while not self.signals.empty():
            self.signals.get_nowait()


class Guests:
    """The crowd at the lanes of one stage. `start` opens the doors; `pause` lets everybody at a reader finish."""

    def __init__(
        self,
        lanes: Mapping[str, tuple[LaneClass, SimTurnstile]],
        cameras: CameraServer,
        shop: ShopClient,
        day: date,
        seed: int,
        crowd: Crowd | None = None,
    ) -> None:
        self.tally = Tally()
        self._crowd = crowd or Crowd()
        self._cameras = cameras
        self._shop = shop
        self._day = day
        self._ids = SeededIds(f"guests {seed}")
        self._dice = random.Random(f"guests {seed}")
        self._forger = SiteKeys(1, {1: self._dice.randbytes(KEY_BYTES)})
        self._wallets = Wallets()
        self._low = asyncio.Event()  # a wallet is running low
        self._lanes = [
            _Lane(lane_id, lane_class, steel, random.Random(f"guests {seed} {lane_id}"))
            for lane_id, (lane_class, steel) in lanes.items()
        ]
        self._comers: list[asyncio.Task[None]] = []
        self._workers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Buy the first tickets, then let guests come."""
        self._comers = [asyncio.create_task(self._buy_for_ever(), name="guests buy")]
        for lane in self._lanes:
            self._comers.append(asyncio.create_task(self._arrive(lane), name=f"guests come to {lane.lane_id}"))
            self._workers.append(asyncio.create_task(self._pass_for_ever(lane), name=f"guests at {lane.lane_id}"))

    async def pause(self) -> Tally:
        """Nobody new comes; whoever stands at a reader finishes. Answers the tally."""
        for task in self._comers:
            task.cancel()
        await asyncio.gather(*self._comers, return_exceptions=True)
        for lane in self._lanes:
            lane.close()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for lane in self._lanes:
            lane.steel.waiting = 0
            lane.steel.unsubscribe(lane.signals)
        return self.tally

    async def stop(self) -> None:
        """Send everybody home at once. Idempotent."""
        for task in (*self._comers, *self._workers):
            task.cancel()
        await asyncio.gather(*self._comers, *self._workers, return_exceptions=True)

    # ---- coming and buying

    async def _arrive(self, lane: _Lane) -> None:
        while True:
            await asyncio.sleep(lane.dice.expovariate(1 / self._crowd.arrival_s))
            if lane.steel.waiting < self._crowd.queue_limit:
                lane.join()

    async def _buy_for_ever(self) -> None:
        tomorrow = self._day + timedelta(days=1)
        while True:
            self._low.clear()
            wallets = self._wallets
            short = [
                (product, day, wallet)
                for product, day, wallet, stock in (
                    ("single", self._day, wallets.standard, self._crowd.stock),
                    ("single-fast", self._day, wallets.fast, self._crowd.stock),
                    ("single", tomorrow, wallets.tomorrow, self._crowd.stock // 4),
                )
                if len(wallet) < stock
            ]
            for product, day, wallet in short:
                await self._buy(product, day, wallet)
            if not short:
                await self._low.wait()

    async def _buy(self, product: str, day: date, wallet: deque[str]) -> None:
        units: dict[str, int] = {}
        for unit in self._dice.choices(
            ("adult", "child", "student", "senior"), (6, 2, 1, 1), k=self._dice.randint(*self._crowd.party)
        ):
            units[unit] = units.get(unit, 0) + 1
        try:
            tickets = await self._shop.buy(product, day, units)
        except (Refused, Unavailable) as error:
            self.tally.orders_failed += 1
            _log.warning("a party could not buy: %s", error)
            await asyncio.sleep(0.5)  # guests shrug and try again
            return
        self.tally.orders += 1
        wallet.extend(ticket.code for ticket in tickets)

    # ---- at the lane

    async def _pass_for_ever(self, lane: _Lane) -> None:
        while await lane.head_of_queue():
            await self._step(lane, self._crowd.step_up_s)
            behaviour = self._draw(lane)
            code = self._code(lane, behaviour)
            if behaviour == "honest" and code is None:
                self._low.set()
                continue  # no ticket bought yet: stay at the head of the queue
            lane.steel.waiting = max(0, lane.steel.waiting - 1)
            await self._one_guest(lane, behaviour, code)
            self._low.set()

    async def _one_guest(self, lane: _Lane, behaviour: Behaviour, code: str | None) -> None:
        lane.forget_signals()
        self.tally.presented += 1
        self._cameras.show(lane.lane_id, Scene(code, lane.dice.getrandbits(32), lane.dice.uniform(0.0, 0.8)))
        signal = await self._answer(lane)
        if signal == "unlocked" and behaviour == "hesitant":
            await self._hesitate(lane, code)
        elif signal == "unlocked":
            await self._push(lane, code)
        elif signal == "refused":
            self.tally.refused_seen += 1
            await self._step(lane, self._crowd.push_s)
            if behaviour == "wrong_lane" and code is not None:
                self._wallets.standard.append(code)  # still good: somebody goes through with it at the right lane
        else:
            self.tally.gave_up += 1
        self._cameras.show(lane.lane_id, None)

    async def _hesitate(self, lane: _Lane, code: str | None) -> None:
        """Look at the mountain until the arm locks again, then start over as everybody else."""
        self._cameras.show(lane.lane_id, None)
        await self._until(lane, ("relocked",))
        await asyncio.sleep(self._crowd.lower_s)
        if not lane.closed:
            await self._one_guest(lane, "honest", code)

    async def _push(self, lane: _Lane, code: str | None) -> None:
        await self._step(lane, self._crowd.push_s)
        self._cameras.show(lane.lane_id, None)
        if lane.steel.push_in():
            self.tally.went_through += 1
            if code is not None:
                self._wallets.used.append(code)

    async def _answer(self, lane: _Lane) -> str:
        return await self._until(lane, ("unlocked", "refused"))

    async def _until(self, lane: _Lane, wanted: tuple[str, ...]) -> str:
        """The first of these signals; "" when the guest's patience is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._crowd.give_up_s):
                while True:
                    signal = await lane.signals.get()
                    if signal in wanted:
                        return signal
        return ""

    async def _step(self, lane: _Lane, seconds: tuple[float, float]) -> None:
        await asyncio.sleep(lane.dice.uniform(*seconds))

    def _draw(self, lane: _Lane) -> Behaviour:
        kinds = [kind for kind, _ in self._crowd.weights]
        behaviour = lane.dice.choices(kinds, [weight for _, weight in self._crowd.weights])[0]
        wallets = self._wallets
        if behaviour == "wrong_lane" and (lane.lane_class != "fast" or not wallets.standard):
            return "honest"
        if (behaviour == "used" and not wallets.used) or (behaviour == "wrong_day" and not wallets.tomorrow):
            return "honest"
        return behaviour

    def _code(self, lane: _Lane, behaviour: Behaviour) -> str | None:
        wallets = self._wallets
        match behaviour:
            case "used":
                return lane.dice.choice(wallets.used)
            case "wrong_day":
                return wallets.tomorrow.popleft()
            case "forged":
                return issue_code(self._ids.ticket_id(), self._forger)
            case "not_ours":
                return f"HTTPS://EXAMPLE.COM/{lane.dice.getrandbits(40):010X}"
            case "unreadable":
                return None
            case "wrong_lane":
                return wallets.standard.popleft()
        wallet = wallets.fast if lane.lane_class == "fast" else wallets.standard
        return wallet.popleft() if wallet else None
