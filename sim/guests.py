"""Guests of the rehearsal. They act only through physical things: they queue at a lane, hold a code up to its camera, watch
the arm and the lamp, push, and walk on. Seeded: who comes, how they behave and how long they take is drawn from the seed;
when the arm opens for them is up to the resort.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence, Set
from datetime import date, timedelta
from typing import Protocol

from resort.errors import Refused, Unavailable
from resort.site import LaneClass
from sim.crowd import FACED, GOOD, CodeDealer, Crowd, Showing, Tally
from sim.face_album import Portrait
from sim.face_guests import FaceGuests
from sim.face_scene import FaceScene
from sim.faces_alone import AloneCast, FacesAlone
from sim.scene import Scene
from sim.shop_client import BoughtTicket
from sim.turnstile import SimTurnstile

SHRUG_S = 0.5  # after a purchase that failed
_UNITS = ("adult", "child", "student", "senior")
_UNIT_WEIGHTS = (6, 2, 1, 1)
_log = logging.getLogger("snowgate.guests")


class Seller(Protocol):
    """Where guests buy."""

    async def buy(self, product: str, day: date, units: dict[str, int]) -> list[BoughtTicket]:
        """Tickets for a party. Raises Refused or Unavailable."""
        ...

    async def enrol_face(self, ticket_id: str, photograph: bytes) -> bool:
        """Enrol a ticket's holder; False: the photograph is not good enough. Raises Refused or Unavailable."""
        ...


class Readers(Protocol):
    """The cameras or scanners that guests hold things up to."""

    def show(self, lane_id: str, scene: Scene | FaceScene | None) -> None:
        """Hold something up, or (None) walk away."""
        ...


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

    def leave(self) -> None:
        """Nobody is here any more, and nobody listens."""
        self.steel.waiting = 0
        self.steel.unsubscribe(self.signals)

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
    """The crowd at the lanes of one stage. `start` opens the doors; `pause` lets everybody at a reader finish.

    Guests of a paused crowd do not come back: open the doors for a new one.
    """

    def __init__(
        self,
        lanes: Mapping[str, tuple[LaneClass, SimTurnstile]],
        cameras: Readers,
        shop: Seller,
        day: date,
        seed: int,
        crowd: Crowd | None = None,
        face_lanes: Set[str] = frozenset(),
        album: Sequence[Portrait] = (),
        alone: AloneCast | None = None,
    ) -> None:
        """`face_lanes` look at the faces of `album`, and `alone` says who shows nothing else; there are none to begin with."""
        self.tally = Tally()
        self._crowd = crowd or Crowd()
        self._alone = FacesAlone(alone or AloneCast(), self._crowd, self.tally)
        self._faces = FaceGuests(face_lanes, album, self._crowd, self.tally, seed)
        self._cameras = cameras
        self._shop = shop
        self._day = day
        self._dice = random.Random(f"guests {seed}")
        self._dealer = CodeDealer(self._crowd, seed)
        self._low = asyncio.Event()  # a wallet is running low
        self._bought = asyncio.Event()
        self._lanes = [
            _Lane(lane_id, lane_class, steel, random.Random(f"guests {seed} {lane_id}"))
            for lane_id, (lane_class, steel) in lanes.items()
        ]
        self._comers: list[asyncio.Task[None]] = []
        self._workers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Let guests come and buy."""
        self._comers.append(_spawn(self._buy_for_ever(), "guests buy"))
        for lane in self._lanes:
            self._comers.append(_spawn(self._arrive(lane), f"guests come to {lane.lane_id}"))
            self._workers.append(_spawn(self._pass_for_ever(lane), f"guests at {lane.lane_id}"))

    async def pause(self) -> Tally:
        """Nobody new comes; whoever stands at a reader finishes (seconds), the queues go home. Answers the tally."""
        await _end(self._comers)
        for lane in self._lanes:
            lane.close()
        self._bought.set()  # wakes who waits for a ticket
        await asyncio.gather(*self._workers, return_exceptions=True)
        for lane in self._lanes:
            lane.leave()
        return self.tally

    async def stop(self) -> None:
        """Send everybody home at once. Idempotent."""
        await _end([*self._comers, *self._workers])
        for lane in self._lanes:
            self._cameras.show(lane.lane_id, None)
            lane.leave()

    # ---- coming and buying

    async def _arrive(self, lane: _Lane) -> None:
        while True:
            await asyncio.sleep(lane.dice.expovariate(1 / self._crowd.arrival_s))
            if lane.steel.waiting < self._crowd.queue_limit:
                lane.join()

    async def _buy_for_ever(self) -> None:
        wallets, stock = self._dealer.wallets, self._crowd.stock
        shelves = [
            ("single", self._day, wallets.standard, stock),
            ("single-fast", self._day, wallets.fast, stock),
            ("single", self._day + timedelta(days=1), wallets.tomorrow, stock // 4),
        ]
        while True:
            self._low.clear()
            short = [(product, day, wallet) for product, day, wallet, wanted in shelves if len(wallet) < wanted]
            for product, day, wallet in short:
                await self._buy(product, day, wallet)
            if self._faces.low or self._alone.low:
                await self._buy_with_face()
            elif not short:
                await self._low.wait()

    async def _buy(self, product: str, day: date, wallet: deque[str]) -> None:
        units: dict[str, int] = {}
        for unit in self._dice.choices(_UNITS, _UNIT_WEIGHTS, k=self._dice.randint(*self._crowd.party)):
            units[unit] = units.get(unit, 0) + 1
        try:
            tickets = await self._shop.buy(product, day, units)
        except (Refused, Unavailable) as error:
            await self._shrug(product, error)
            return
        self.tally.orders += 1
        wallet.extend(ticket.code for ticket in tickets)
        self._bought.set()

    async def _buy_with_face(self) -> None:
        try:
            await (self._faces if self._faces.low else self._alone).buy(self._shop, self._day)
        except (Refused, Unavailable) as error:
            await self._shrug("a ticket with a face", error)

    async def _shrug(self, what: str, error: Refused | Unavailable) -> None:
        if self.tally.orders_failed == 0:
            _log.warning("a party could not buy %s (later ones are only counted): %s", what, error)
        self.tally.orders_failed += 1
        await asyncio.sleep(SHRUG_S)

    # ---- at the lane

    async def _pass_for_ever(self, lane: _Lane) -> None:
        while await lane.head_of_queue():
            await self._step(lane, self._crowd.step_up_s)
            if lane.closed:
                return
            showing = self._alone.deal(lane.lane_id, lane.dice, _now_s()) or self._faces.deal(lane.lane_id, lane.dice)
            if showing is None:
                showing = self._dealer.deal(lane.lane_id, lane.lane_class, lane.dice, _now_s())
            self._low.set()
            if showing is None:
                self._bought.clear()  # `pause` closes the lanes first and sets it then
                await self._bought.wait()
                continue
            lane.steel.waiting = max(0, lane.steel.waiting - 1)
            try:
                await self._one_guest(lane, showing)
            finally:
                self._cameras.show(lane.lane_id, None)

    async def _one_guest(self, lane: _Lane, showing: Showing) -> None:
        lane.forget_signals()
        if lane.steel.fire_release:
            await self._push(lane, showing)  # the arm is free for everybody: nobody shows anything
            return
        self.tally.presented += 1
        self._cameras.show(lane.lane_id, _scene(showing, lane.dice))
        patience_s = self._crowd.stranger_s if showing.behaviour == "stranger" else self._crowd.give_up_s
        signal = await self._until(lane, ("unlocked", "refused"), patience_s)
        self._faces.ended(showing, signal)
        self._alone.ended(showing, signal)
        if signal == "unlocked" and showing.behaviour == "hesitant":
            await self._hesitate(lane, showing)
        elif signal == "unlocked":
            await self._push(lane, showing)
        elif signal == "refused":
            self.tally.refused_seen += 1
            self.tally.turned_away += showing.behaviour in GOOD
            self._dealer.give_back(showing)
            await self._step(lane, self._crowd.push_s)
        elif showing.behaviour != "stranger":
            self.tally.gave_up += 1

    async def _hesitate(self, lane: _Lane, showing: Showing) -> None:
        """Look at the mountain until the arm locks again, then start over as everybody else."""
        self._cameras.show(lane.lane_id, None)
        await self._until(lane, ("relocked",), self._crowd.give_up_s)
        await asyncio.sleep(self._crowd.lower_s)
        if not lane.closed:
            await self._one_guest(lane, Showing("honest", showing.code))

    async def _push(self, lane: _Lane, showing: Showing) -> None:
        await self._step(lane, self._crowd.push_s)
        self._cameras.show(lane.lane_id, None)
        free = lane.steel.fire_release
        if not lane.steel.push_in():
            self.tally.gave_up += 1
            return
        self.tally.went_through += 1
        if free:
            return
        self.tally.sneaked_in += showing.behaviour not in GOOD | FACED
        if showing.code is not None:
            self._dealer.went_through(showing.code, lane.lane_id, _now_s())

    async def _until(self, lane: _Lane, wanted: tuple[str, ...], patience_s: float) -> str:
        """The first of these signals; "" when the guest's patience is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while True:
                    signal = await lane.signals.get()
                    if signal in wanted:
                        return signal
        return ""

    async def _step(self, lane: _Lane, seconds: tuple[float, float]) -> None:
        await asyncio.sleep(lane.dice.uniform(*seconds))


def _scene(showing: Showing, dice: random.Random) -> Scene | FaceScene:
    if showing.face is not None:
        return FaceScene(showing.face, showing.code)
    return Scene(showing.code, dice.getrandbits(32), dice.uniform(0.0, 0.8))


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _spawn(work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell_failure)
    return task


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s ended unexpectedly", task.get_name(), exc_info=error)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
