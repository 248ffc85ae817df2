"""What windows may order of lanes, as a Protocol. Beside `resort/ports.py`, because the answers are the lane machine's own."""

from typing import Protocol

from resort.access.lane_messages import StaffOutcome
from resort.site import LaneClass


class GateControl(Protocol):
    """Commands of staff to lanes. Every one raises NotFound for an unknown lane, Busy, or Unavailable: then ask again.

    Idempotent by `request_id` (1 to 64 printable ASCII characters) where something moves: the same again gets the same answer
    and moves nothing. `by` and `note` go into the journal.
    """

    async def set_mode(self, lane_id: str, mode: str, ordered_by: str) -> None:
        """Order a lane `open`, `closed`, or to lead out (`exit`, a reversible one); kept over restarts. Raises Invalid,
        WrongState."""
        ...

    async def set_policy(self, lane_id: str, admits: frozenset[LaneClass], ordered_by: str, note: str) -> None:
        """Let a lane admit tickets of these classes too, besides its own, until ordered otherwise; kept over restarts."""
        ...

    async def admit(self, lane_id: str, request_id: str, by: str, note: str) -> StaffOutcome:
        """Let one person pass without a ticket."""
        ...

    async def annul(self, lane_id: str, request_id: str, by: str, note: str) -> StaffOutcome:
        """Give the entry back that the last guest of this lane used."""
        ...

    async def test_scan(self, lane_id: str, request_id: str, by: str, code: str) -> StaffOutcome:
        """What the lane would decide on this code now, without any effect."""
        ...
