"""The steel of one turnstile: an arm, its lock, counters, lamp and sensors, with the rules of a common controller.

Knows no registers and no network: `sim/turnstile_server.py` puts it behind Modbus TCP, `sim/memory_turnstile.py` behind the
port directly, and the guests of the rehearsal push its arm. Time comes from a Clock, so a virtual day needs no waiting.
"""

import asyncio
from collections.abc import Callable
from typing import Literal

from resort.clock import NS_PER_MS, Clock

COUNTER_MODULUS = 2**32
SIGNALS_KEPT = 64
INDICATORS = ("idle", "go", "refused")
Watcher = Callable[[Literal["unlock", "turn"]], None]


class SimTurnstile:
    """One arm.

    - A pulse unlocks the way in for `open_window_ms`; a pulse while unlocked starts the window anew, for one turn still.
      A controller with a fault, or set to exit only, takes the pulse and does not unlock.
    - One turn inwards counts and locks again. The way out is always free and never changes the lock.
    - Fire release holds the arm free whatever the lock says; turns count all the same.
    - Without power the arm hangs free, counts nothing and forgets its open window; counters are kept.
    - What else breaks: `stuck` (the lock does not follow a pulse, and no sensor tells), `refuses` (the controller takes no
      order for entry and says so), `acknowledges` False (it acts and does not report it), `counts_backwards`.
    - Forcing turns a locked arm and counts; the tamper bit is the switch of the housing and is set apart.

    Time passes by `settle`, which every question and every event calls first. Between those nothing is announced: whoever
    wants "relocked" on the instant calls `settle` at `relocks_in_ms`, as the server does.
    """

    def __init__(self, open_window_ms: float, clock: Clock) -> None:
        self.open_window_ms = open_window_ms
        self.waiting = 0  # persons in the approach zone
        self.fault = False
        self.tamper = False
        self.exit_only = False
        self.stuck = False
        self.refuses = False
        self.acknowledges = True
        self.counts_backwards = False
        self.firmware = 0x0105
        self.counter_in = 0
        self.counter_out = 0
        self.pulses = 0  # pulses taken for entry, whether or not they unlocked
        self.unlocks = 0  # of these, the ones that unlocked the arm or kept it unlocked
        self.exit_pulses = 0
        self.watcher: Watcher | None = None  # told of each unlocking pulse and each turn inwards, before anybody else
        self._clock = clock
        self._fire_release = False
        self._powered = True
        self._locks_at_ns: int | None = None  # monotonic; None = locked
        self._announced_unlocked = False
        self._indicator = "idle"
        self._listeners: list[asyncio.Queue[str]] = []

    @property
    def unlocked(self) -> bool:
        """Whether the arm would turn inwards now."""
        self.settle()
        return self._announced_unlocked

    @property
    def fire_release(self) -> bool:
        """Whether the fire panel holds the arm free."""
        return self._fire_release

    @fire_release.setter
    def fire_release(self, held: bool) -> None:
        self._fire_release = held
        self.settle()

    @property
    def powered(self) -> bool:
        """Whether the controller has power. It answers nobody without; that is up to whoever puts it on a wire."""
        return self._powered

    @powered.setter
    def powered(self, on: bool) -> None:
        self._powered = on
        self._locks_at_ns = None
        self.settle()

    @property
    def indicator(self) -> str:
        """What the guest's lamp shows: `idle`, `go` or `refused`."""
        return self._indicator

    @property
    def relocks_in_ms(self) -> float | None:
        """Milliseconds until the arm locks by itself; None when it is locked already."""
        self.settle()
        return None if self._locks_at_ns is None else (self._locks_at_ns - self._clock.now().tick_ns) / NS_PER_MS

    def pulse_entry(self) -> None:
        """The controller receives a pulse for entry, if it has power."""
        if not self._powered:
            return
        self.settle()
        self.pulses += 1
        if not self.fault and not self.exit_only and not self.stuck:
            self._locks_at_ns = self._clock.now().tick_ns + round(self.open_window_ms * NS_PER_MS)
            self.unlocks += 1
            if self.watcher is not None:
                self.watcher("unlock")
        self.settle()

    def pulse_exit(self) -> None:
        """The controller receives a pulse for exit, which is free anyway."""
        self.exit_pulses += 1

    def show(self, indicator: str) -> None:
        """The controller sets its lamp; announced each time, as two guests may be refused one after the other."""
        if indicator not in INDICATORS:
            raise ValueError(f"a lamp shows {', '.join(INDICATORS)}, not {indicator}")
        self._indicator = indicator
        self._announce(indicator)

    def push_in(self) -> bool:
        """A guest pushes inwards: True when the arm turned, which counts and locks again."""
        if not self.unlocked:
            return False
        self._turn_in()
        return True

    def push_out(self) -> bool:
        """A guest pushes outwards: the arm always turns."""
        if self._powered:
            self.counter_out = self._after(self.counter_out)
        return True

    def force_in(self) -> None:
        """Somebody turns the arm inwards by force, locked or not."""
        self.settle()
        self._turn_in()

    def settle(self) -> None:
        """Let the time that has passed take effect, and announce the lock if it changed."""
        if self._locks_at_ns is not None and self._clock.now().tick_ns >= self._locks_at_ns:
            self._locks_at_ns = None
        unlocked = self._fire_release or not self._powered or self._locks_at_ns is not None
        if unlocked != self._announced_unlocked:
            self._announced_unlocked = unlocked
            self._announce("unlocked" if unlocked else "relocked")

    def subscribe(self) -> asyncio.Queue[str]:
        """From now on "unlocked", "relocked", "idle", "go" and "refused" as they happen; a slow reader loses the oldest."""
        queue: asyncio.Queue[str] = asyncio.Queue(SIGNALS_KEPT)
        self._listeners.append(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[str]) -> None:
        """Stop filling `queue`. Idempotent."""
        # By identity: queues have no equality of their own, and a list of a few is quick to walk.
        self._listeners = [listener for listener in self._listeners if listener is not queue]

    def _turn_in(self) -> None:
        if not self._powered:
            return
        self.counter_in = self._after(self.counter_in)
        if self.watcher is not None:
            self.watcher("turn")
        self._locks_at_ns = None
        self.settle()

    def _after(self, counter: int) -> int:
        return (counter + (-1 if self.counts_backwards else 1)) % COUNTER_MODULUS

    def _announce(self, signal: str) -> None:
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(signal)
