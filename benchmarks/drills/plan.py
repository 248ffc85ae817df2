"""What a drill is: its faults, its load, its bars, and the control that shows that it proves something."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from orchestrator.stages import LoadMix
from resort.guards import Guards

if TYPE_CHECKING:
    from benchmarks.drills.stand import Stand

Fault = Callable[["Stand"], Awaitable[None]]

# Nothing of these may ever be, whatever is broken.
NEVER = ("double_admissions", "lost_passages", "wrong_grants", "invented_passages", "double_pulses", "acknowledged_missing")


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """One drill. `bars`: the most that a measured figure may be, seconds unless its name says otherwise."""

    name: str
    faults: tuple[Fault, ...]  # one is drawn for each kill
    bars: Mapping[str, float]
    control: Guards  # what the control run has off
    shows: tuple[str, ...]  # figures one of which must then be above its bar (0 for those of `NEVER`)
    sql: Literal["sqlite", "postgres"] = "sqlite"
    ledger: Literal["own", "lines"] = "own"  # `lines`: the drill's Valkey, each gate by a line that can be cut
    clock: bool = False
    rate_per_s: float = 40.0
    scans_per_kill: int = 100
    pause_s: tuple[float, float] = (0.2, 1.5)  # of load before each fault
    mix: LoadMix = field(default_factory=LoadMix)
    hesitate: float = 0.01  # share of guests who do not turn the arm that was unlocked for them
    turn_ms: tuple[float, float] = (
        3.0,
        12.0,
    )  # from the unlocking to the turn; the longer, the more is open when a fault strikes
