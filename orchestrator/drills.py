"""What the composition root knows of drills: how one is called, and the settings file that only a drill's own site takes.

Drills are found by the entry-point group `snowgate.drills`; they live in `benchmarks/drills`.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orchestrator.measured import Measured
from resort.errors import InvalidConfig
from resort.guards import DrillSettings

MARK = "drill.mark"  # a file in the data folder: made by a drill, for a drill, and of no use afterwards


@dataclass(frozen=True, slots=True)
class DrillAsk:
    """What `snowgate drill` was asked for. `control`: with the guarded mechanism off, so that the failure must show."""

    seed: int
    kills: int
    control: bool


@dataclass(frozen=True, slots=True)
class DrillOutcome:
    """What a drill measured, whether what it proves held, and in words what did not."""

    measured: Measured
    held: bool
    remarks: tuple[str, ...]


# What a drill is: what is asked for, where to tell progress.
Drill = Callable[[DrillAsk, Callable[[str], None]], Coroutine[object, object, DrillOutcome]]


def mark_for_drills(data: Path) -> None:
    """Make a data folder that takes drill settings. Raises InvalidConfig when there is a folder already."""
    try:
        data.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        raise InvalidConfig("data folder", f"{data} is there already, and a drill takes a new one") from None
    (data / MARK).touch(mode=0o600)


def load_drill(file: Path | None, data: Path) -> DrillSettings:
    """The settings in `file`, none without a file. Raises InvalidConfig, above all for a data folder that is not a drill's."""
    if file is None:
        return DrillSettings()
    if not (data / MARK).is_file():
        raise InvalidConfig("drill settings", f"{data} is not the data folder of a drill, so its guards stay on")
    try:
        return msgspec.json.decode(file.read_bytes(), type=DrillSettings)
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidConfig("drill settings", f"{file} cannot be used: {error}") from None
