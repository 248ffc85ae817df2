"""What the composition root asks of a rehearsal stage, which plays the steel and the guests where a site says `simulated`.

Stages are found by the entry-point group `snowgate.stages`, because rooms above must not be imported from here.
"""

from datetime import date
from pathlib import Path
from typing import Protocol

import msgspec


class StageAddresses(msgspec.Struct, frozen=True):
    """Where the stage plays devices: a bus for each gate id, a camera URL for each lane id."""

    buses: dict[str, str]
    cameras: dict[str, str]


class Stage(Protocol):
    """A rehearsal stage. Methods raise Unavailable when its process is gone."""

    async def start(self, site_file: Path, seed: int) -> StageAddresses:
        """Play the devices; nobody comes yet."""
        ...

    async def open_doors(self, console: str, channel_key: str, day: date) -> None:
        """Let guests come: they buy at `console` with this key and show what they got."""
        ...

    async def pause(self) -> dict[str, int]:
        """Let nobody new come, wait until the lanes are empty; answers what the guests did."""
        ...

    async def release(self, lane_id: str, *, on: bool) -> None:
        """Assert or clear fire release at a lane."""
        ...

    async def fault(self, lane_id: str, *, on: bool) -> None:
        """Make a turnstile report a fault, or end it."""
        ...

    async def stop(self) -> None:
        """End it within 3 s; idempotent."""
        ...
