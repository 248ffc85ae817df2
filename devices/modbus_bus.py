"""Modbus connections of a process: one for each unit, or one that all units behind an address share; closed behind the
last user. What registers mean is not known here, nor how requests travel: that is a `Link`.

A bus is one address (`devices/modbus_address.py`); several controllers may answer behind it, each by its unit number. A
connection has one request under way at a time; none is ever repeated, and every failure is a TurnstileUnreachable. With a
connection each, a silent unit keeps nobody waiting; `shared` is for gateways that take few connections or serve only the
youngest, and for RTU always.

How failures are kept short (`timeout_ms` T, 250 by default):
- not connected: fails at once, while a task of the connection reconnects every 50 to 400 ms;
- no answer: fails after T. Two in a row, or one order that nobody confirmed, mean a dead peer: the connection is reset and
  made anew, so a controller that lost power is served again within a second of its return;
- units that share: see `devices/unit_trust.py`, which keeps the neighbours of a bad unit from waiting behind it;
- behind others in the queue: fails after T without having been sent. So no call lasts longer than 2 T;
- late answers, nonsense, half answers: see `devices/modbus_link.py` and `devices/modbus_rtu_link.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from pymodbus.pdu import ModbusPDU

from devices.modbus_address import BusSettings, parse_bus
from devices.modbus_frames import NOT_BEGUN, WRITES, decode, describe_exception
from devices.modbus_link import Link, LinkLost, ModbusLink, Silence
from devices.modbus_rtu_link import RtuOpener
from devices.unit_trust import UnitTrust
from resort.errors import InvalidConfig, TurnstileUnreachable

__all__ = ["BusRegistry", "BusSettings", "UnitHandle", "parse_bus"]  # a bus and its address come from one place

log = logging.getLogger(__name__)
# pymodbus logs what it decodes and what it cannot; the edges are logged here, once.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)

RECONNECT_FIRST_S = 0.05
RECONNECT_MAX_S = 0.4
DEAD_AFTER_SILENCES = 2


class _Bus:
    """One connection, kept alive, the queue before it and who holds it."""

    def __init__(self, settings: BusSettings, name: str) -> None:
        self.settings = settings
        self._name = name
        self.holders = 0
        self.attempts = 0  # to connect, with or without success
        self._attempted = asyncio.Event()  # the present attempt is over; each attempt has its own event
        self._timeout_s = settings.timeout_ms / 1000
        self._link: Link | None = None
        self._open = _opener(settings)
        self._turn = asyncio.Lock()
        self._silences = 0  # requests without an answer in a row, over all units
        self._trust = UnitTrust(self._timeout_s, shared=settings.shared)
        self._away = False  # told to the log
        self._hurry = False  # one unit spoilt the connection: the others have a new one at once
        self._clock = asyncio.get_running_loop().time
        self._keeper = asyncio.create_task(self._keep_connected(), name=f"modbus {name}")
        self._keeper.add_done_callback(self._keeper_ended)

    @property
    def connected(self) -> bool:
        """Whether a request would be sent now."""
        return self._link is not None and not self._link.lost.is_set()

    async def transact(self, request: ModbusPDU) -> ModbusPDU:
        """Send one request, once, and return its normal answer. Raises TurnstileUnreachable."""
        unit = request.dev_id
        self._check_reachable(unit)  # before the queue, so that nobody queues for a dead peer
        silences = self._trust.silences(unit)
        async with self._place_in_turn(unit):
            link = self._check_reachable(unit)
            if self._trust.silences(unit) > silences:  # while this one waited
                raise self._unreachable(unit, "it stopped answering, nothing was sent", sent=False)
            heard, began = link.heard, self._clock()
            try:
                patience_s = self._trust.patience_s(unit, link.late.get(unit), order=request.function_code in WRITES)
                body = await link.exchange(request, patience_s)
            except LinkLost as lost:
                self._note_loss(unit, heard > 0 and lost.sent)
                raise self._unreachable(unit, str(lost), sent=lost.sent) from None
            except Silence:
                self._note_silence(link, unit, heard)
                raise self._unreachable(unit, f"no answer within {self.settings.timeout_ms} ms") from None
        self._note_answer(unit, began)
        if body[0] & 0x80:
            raise self._unreachable(unit, describe_exception(body[1]), sent=body[1] not in NOT_BEGUN)
        return decode(body)

    @contextlib.asynccontextmanager
    async def _place_in_turn(self, unit: int) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._turn.acquire()
        except TimeoutError:
            raise self._unreachable(unit, "the bus is busy, nothing was sent", sent=False) from None
        try:
            yield
        finally:
            self._turn.release()

    async def next_attempt(self, unit: int) -> None:
        """Wait until the present or next attempt to connect is over. Raises TurnstileUnreachable when there is none to come."""
        if self._keeper.done():
            raise self._unreachable(unit, "its connection was given back")
        await self._attempted.wait()

    async def close(self) -> None:
        """Hang up and end the task; waits until the socket is gone."""
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        if self._link is not None:
            await self._link.close()
            self._link = None

    def _check_reachable(self, unit: int) -> Link:
        if self._link is None or self._link.lost.is_set():
            raise self._unreachable(unit, "not connected", sent=False)
        if self._trust.rests(unit, self._clock()):
            raise self._unreachable(unit, "it did not answer lately and is asked again within a second", sent=False)
        return self._link

    def _note_answer(self, unit: int, began: float) -> None:
        if self._away:
            log.info("turnstile bus %s is back", self._name)
            self._away = False
        self._silences = 0
        self._trust.note_answer(unit, self._clock() - began)

    def _note_silence(self, link: Link, unit: int, heard: int) -> None:
        if link is not self._link:
            return  # what was silent is gone already
        self._trust.note_silence(unit, self._clock())
        if link.lost.is_set():  # half an answer, or an order that nobody confirmed
            self._note_loss(unit, heard > 0)
        self._silences = 0 if link.heard > heard else self._silences + 1
        if self._silences >= DEAD_AFTER_SILENCES:
            link.drop("nothing behind this address answers")

    def _note_loss(self, unit: int, neighbours_live: bool) -> None:
        if self._trust.note_loss(unit, self._clock(), neighbours_live=neighbours_live):
            self._hurry = True

    def _unreachable(self, unit: int, detail: str, *, sent: bool = True) -> TurnstileUnreachable:
        return TurnstileUnreachable(f"Turnstile unit {unit} at {self.settings}", detail, sent=sent)

    async def _keep_connected(self) -> None:
        """Make the connection, wait for its loss, make the next."""
        delay_s = RECONNECT_FIRST_S
        while True:
            link = await self._open(self._timeout_s)
            if not link.lost.is_set():
                self._take(link)
                self._end_attempt()
                await link.lost.wait()
                if link.heard:  # a peer that hangs up before that is not hurried back to
                    delay_s = RECONNECT_FIRST_S
            else:
                self._end_attempt()
            await asyncio.sleep(0)  # whoever asked learns of the loss first, and says whose fault it was
            self._link, hurry, self._hurry = None, self._hurry, False
            if hurry:
                continue
            if not self._away:  # until it has answered, not only taken a connection
                log.warning("turnstile bus %s is away: %s", self._name, link.detail)
                self._away = True
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RECONNECT_MAX_S)

    def _take(self, link: Link) -> None:
        """Requests go over `link` from now on; what was known about silences belonged to the one before."""
        self._link = link
        self._silences = 0
        self._trust.begin_anew()

    def _end_attempt(self) -> None:
        self.attempts += 1
        self._attempted.set()
        self._attempted = asyncio.Event()

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        self._end_attempt()  # whoever waits for one must not wait for ever
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            log.error("the keeper of turnstile bus %s failed", self._name, exc_info=error)


class UnitHandle:
    """One unit on a shared bus, until `close`. Calls raise TurnstileUnreachable and are never repeated."""

    def __init__(self, registry: "BusRegistry", bus: _Bus, unit: int) -> None:
        self.unit = unit
        self._registry = registry
        self._bus: _Bus | None = bus
        self._name = f"Turnstile unit {unit} at {bus.settings}"

    @property
    def connected(self) -> bool:
        """Whether a request would be sent now."""
        return self._bus is not None and self._bus.connected

    async def next_attempt(self) -> None:
        """Wait until the present or next attempt to connect is over. Raises TurnstileUnreachable on close."""
        if self._bus is not None:
            await self._bus.next_attempt(self.unit)

    async def wait_first_attempt(self) -> None:
        """Wait until the bus was tried once, with or without success; takes one time-out at most."""
        if self._bus is not None and not self._bus.attempts:
            await self.next_attempt()

    async def wait_connected(self) -> None:
        """Wait until the bus is connected, however long its peer stays away. Raises TurnstileUnreachable on close."""
        while self._bus is not None and not self._bus.connected:
            await self.next_attempt()

    async def transact(self, request: ModbusPDU) -> ModbusPDU:
        """Send `request` to this unit, once; the answer is a normal one and belongs to it."""
        if self._bus is None:
            raise TurnstileUnreachable(self._name, "its connection was given back")
        request.dev_id = self.unit
        return await self._bus.transact(request)

    async def close(self) -> None:
        """Give the unit back; the last one closes the connection. Idempotent."""
        bus, self._bus = self._bus, None
        if bus is not None:
            await self._registry._release(bus)


class BusRegistry:
    """The connections of this process. Lives in one event loop; an empty registry holds nothing open."""

    def __init__(self) -> None:
        self._buses: dict[tuple[str, int | None], _Bus] = {}  # by place, and unit if it has one of its own

    def lease(self, settings: BusSettings, unit: int) -> UnitHandle:
        """A handle on one unit; connecting goes on in the background. Raises InvalidConfig when settings clash."""
        if not 0 <= unit <= 255:
            raise InvalidConfig("turnstile.unit", f"{unit} is not 0 to 255")
        for other in self._buses.values():
            if other.settings.place == settings.place and other.settings != settings:
                raise InvalidConfig(
                    f"turnstile bus {settings}",
                    f"it is in use with {_manners(other.settings)}, so {_manners(settings)} cannot be had",
                )
        place = (settings.place, None if settings.shared else unit)
        bus = self._buses.get(place)
        if bus is None:
            bus = self._buses[place] = _Bus(settings, str(settings) if settings.shared else f"{settings} unit {unit}")
        bus.holders += 1
        return UnitHandle(self, bus, unit)

    async def _release(self, bus: _Bus) -> None:
        bus.holders -= 1
        if bus.holders == 0:
            for place in [place for place, known in self._buses.items() if known is bus]:
                del self._buses[place]
            await bus.close()


def _opener(settings: BusSettings) -> Callable[[float], Awaitable[Link]]:
    """What makes one connection after the other, given a time-out in seconds."""
    if settings.transport == "tcp":
        return lambda timeout_s: ModbusLink.open(settings.host, settings.port, timeout_s)
    return RtuOpener(settings).open


def _manners(settings: BusSettings) -> str:
    line = settings.line
    how = [
        f"a time-out of {settings.timeout_ms} ms",
        "one connection" if settings.shared else "a connection for each unit",
        *([] if settings.transport == "tcp" else ["RTU frames" + (" and echo" if settings.echo else "")]),
        *([] if line is None else [f"{line.baud} baud {line.parity}{line.stop}"]),
    ]
    return f"{', '.join(how[:-1])} and {how[-1]}"
