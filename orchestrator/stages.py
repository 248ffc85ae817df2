"""What the composition root asks of a rehearsal stage, which plays the steel and the guests where a site says `simulated`.

Stages are found by the entry-point group `snowgate.stages`, because rooms above must not be imported from here.

A *load* is a crowd for drills: fast guests with decoded codes at lanes whose camera is `simulated-scanner`. Its way:
`load` (tickets are bought, phase `buying`), then `stocked` until `go` if `hold` was asked for, then `running`, then `done` when
every guest has left; `tally` tells at any time. What really happened is written to the order's `truth` file, in the format of
`sim/truth.py`, by the stage alone: the system under test neither writes nor reads it.
"""

from datetime import date
from pathlib import Path
from typing import Literal, Protocol

import msgspec

LoadPhase = Literal["none", "buying", "stocked", "running", "done", "failed"]


class StageAddresses(msgspec.Struct, frozen=True):
    """Where the stage plays devices: a bus for each gate id, a camera's or scanner's URL for each lane id."""

    buses: dict[str, str]
    cameras: dict[str, str]


class LoadMix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the guests of a load hold up, as weights of any scale. A kind that cannot be dealt yet is honest instead."""

    honest: float = 70.0  # a ticket of today that nobody showed before
    again_here: float = 6.0  # a ticket that was shown before, at the lane that saw it last
    again_elsewhere: float = 8.0  # likewise, at another lane
    twin: float = 4.0  # a fresh ticket at two lanes at the very same moment: two guests, the second counts among the scans
    forged: float = 4.0  # a code of the right layout that the resort did not sign
    not_ours: float = 3.0  # some other text
    wrong_day: float = 5.0  # bought for tomorrow
    blocked: float = 0.0  # bought for today and set apart; the drill blocks these while the load is `stocked` (use `hold`)


class LoadOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A load. The same order at the same site is the same plan: who comes when, where, and with what."""

    truth: str  # the file that the ground truth is appended to; made if it is not there
    rate_per_s: float  # guests who come to all lanes together; open loop: nobody waits for the resort to be ready
    scans: int  # guests in all
    seed: int = 1
    mix: LoadMix = LoadMix()
    hesitate: float = 0.01  # share of guests who do not turn the arm that was unlocked for them, and wait until it is locked
    turn_ms: tuple[float, float] = (3.0, 12.0)  # from the unlocking to the turn
    show_again_ms: float = 1_000.0  # who got no answer holds the code up again after this
    patience_ms: float = 20_000.0  # and walks away after this; longer than any recovery, or a late answer meets the next guest
    queue_limit: int = 100  # who finds a longer queue goes to the shortest one
    product: str = "single"
    hold: bool = False  # stay `stocked` until `go`


class SteelCounts(msgspec.Struct, frozen=True):
    """What one turnstile has counted by itself since the stage began."""

    pulses: int  # pulses received, whether or not they unlocked
    unlocks: int  # pulses that unlocked the arm, or kept it unlocked
    turns_in: int
    turns_out: int


class LoadTally(msgspec.Struct, frozen=True):
    """How a load stands. Counts are of this load; `steel` is since the stage began, for every simulated turnstile."""

    phase: LoadPhase = "none"
    problem: str = ""  # why it failed
    planned: int = 0
    bought: int = 0  # tickets
    orders_ms: dict[str, float] = {}  # from asking for a quote to the tickets: `p50`, `p95`, `p99`, of all orders so far
    presented: int = 0  # guests who held something up
    shown: int = 0  # times that something was held up: a guest without an answer does so again
    unheard: int = 0  # of these, while no lane was connected to the scanner
    unlocks: int = 0
    turns: int = 0
    refused: int = 0  # guests who saw the red lamp
    hesitated: int = 0
    gave_up: int = 0  # guests who walked away without an answer, or found the arm locked again
    waiting: int = 0  # guests in line now
    running_s: float = 0.0
    kinds: dict[str, int] = {}  # guests who held something up, by kind
    steel: dict[str, SteelCounts] = {}

    @property
    def done(self) -> bool:
        """Every guest has come and left."""
        return self.phase == "done"


class Stage(Protocol):
    """A rehearsal stage. Methods raise Unavailable when its process is gone, Invalid when it cannot do what it is told."""

    async def start(self, site_file: Path, seed: int) -> StageAddresses:
        """Play the devices; nobody comes yet."""
        ...

    async def open_doors(self, console: str, channel_key: str, day: date) -> None:
        """Let guests come: they buy at `console` with this key and show what they got."""
        ...

    async def load(self, console: str, channel_key: str, day: date, order: LoadOrder) -> None:
        """Begin a load, likewise; answers at once. One at a time, and not while the doors are open."""
        ...

    async def go(self) -> None:
        """Let the guests of a `stocked` load come. Invalid in any other phase."""
        ...

    async def tally(self) -> LoadTally:
        """How the load stands. With phase `none` if there was none; the steel's counts are told all the same."""
        ...

    async def pause(self) -> dict[str, int]:
        """Let nobody new come, wait until the lanes are empty; answers what the guests did. Ends a load too."""
        ...

    async def release(self, lane_id: str, *, on: bool) -> None:
        """Assert or clear fire release at a lane."""
        ...

    async def fault(self, lane_id: str, *, on: bool) -> None:
        """Make a turnstile report a fault, or end it."""
        ...

    async def silence(self, lane_id: str, *, on: bool, obeys: bool = False) -> int:
        """Make a turnstile answer nothing, with its connection left open, or end it. While it is silent it does nothing that it
        is told, or, with `obeys`, everything: a pulse then unlocks the arm and is never confirmed. Answers the monotonic tick
        (ns) at which it began or ended."""
        ...

    async def stop(self) -> None:
        """End it within 3 s; idempotent."""
        ...
