"""Steel that is built wrongly, each in one way: what an examination of controllers must find out.

What breaks in service (faults, a stuck lock, lost power) is in `sim/turnstile.py`; what the line does, in `sim/faulty_wire.py`.
"""

from typing import Literal, get_args

from resort.clock import Clock
from sim.turnstile import COUNTER_MODULUS, SimTurnstile

Oddity = Literal[
    "stays_open",
    "hasty",
    "never_locked",
    "counts_twice",
    "counts_pulses",
    "creeps",
    "runs_back",
    "ways_swapped",
    "flickers",
    "defies_fire",
]
ODDITIES: tuple[Oddity, ...] = get_args(Oddity)
OPEN_FACTOR = {"stays_open": 20.0, "hasty": 0.25}
FIRST_COUNT = 1_000


class OddTurnstile(SimTurnstile):
    """One arm.

    - `stays_open`, `hasty`: its open window is 20 times, or a quarter, of what it is said to be.
    - `never_locked`: says that it is unlocked, whatever it is.
    - `counts_twice`: a turn inwards counts two; `counts_pulses`: a pulse counts as a turn.
    - `creeps`, `runs_back`: the entry counter is one more, or less, at each reading.
    - `ways_swapped`: turns inwards count as outwards, and the other way about.
    - `flickers`: its firmware is another at each reading.
    - `defies_fire`: after a pulse it says that it is locked, though the fire panel holds it free.
    """

    def __init__(self, open_window_ms: float, clock: Clock, oddity: Oddity) -> None:
        self.oddity = oddity
        self._count = FIRST_COUNT
        super().__init__(open_window_ms * OPEN_FACTOR.get(oddity, 1.0), clock)
        self.counter_in = FIRST_COUNT

    @property
    def counter_in(self) -> int:
        """Rotations inwards, as far as it knows."""
        step = {"creeps": 1, "runs_back": -1}.get(self.oddity, 0)
        self._count = (self._count + step) % COUNTER_MODULUS
        return self._count

    @counter_in.setter
    def counter_in(self, count: int) -> None:
        self._count = count

    @property
    def unlocked(self) -> bool:
        """Whether the arm would turn inwards now, as far as it knows."""
        if self.oddity == "defies_fire" and self.fire_release and self.pulses:
            return False
        return super().unlocked or self.oddity == "never_locked"

    @property
    def firmware(self) -> int:
        """Its firmware, as far as it knows."""
        self._firmware += self.oddity == "flickers"
        return self._firmware

    @firmware.setter
    def firmware(self, firmware: int) -> None:
        self._firmware = firmware

    def pulse_entry(self) -> None:
        """The controller receives a pulse for entry."""
        super().pulse_entry()
        if self.oddity == "counts_pulses":
            self.counter_in = self._after(self._count)

    def push_in(self) -> bool:
        """A guest pushes inwards."""
        turned = super().push_in()
        if turned and self.oddity == "counts_twice":
            self.counter_in = self._after(self._count)
        if turned and self.oddity == "ways_swapped":
            self.counter_in, self.counter_out = self._count - 1, self._after(self.counter_out)
        return turned

    def push_out(self) -> bool:
        """A guest pushes outwards."""
        if self.oddity != "ways_swapped":
            return super().push_out()
        self.counter_in = self._after(self._count)
        return True
