"""What windows need for a look of staff at two faces, as Protocols: the lane's picture, the enrolled one, and what staff say.

Beside `resort/lane_control.py`, because only sites with faces have it. Pictures travel in memory, to a signed-in member of the
staff who asks; their text form shows none.
"""

from typing import Protocol

import msgspec

from resort.access.lane_messages import StaffOutcome
from resort.ids import TicketId


class LiveLook(msgspec.Struct, frozen=True):
    """An open look as its lane has it: `outcome` is `ok` with the ticket, or why there is none; `live` is the camera's frame, a
    JPEG, None where the camera showed nothing."""

    outcome: StaffOutcome
    live: bytes | None = None

    def __repr__(self) -> str:
        return f"LiveLook({self.outcome.outcome}, live={self.live is not None})"


class LookControl(Protocol):
    """Looks of staff at lanes; `scan_id` is that of the refused scan. Raises NotFound, Busy, Unavailable as `GateControl` does,
    and is idempotent by `request_id` likewise. Everything asked for here is journaled with the name `by`."""

    async def view_face(self, lane_id: str, request_id: str, by: str, scan_id: str) -> LiveLook:
        """The look as long as it is open."""
        ...

    async def confirm_face(self, lane_id: str, request_id: str, by: str, scan_id: str) -> StaffOutcome:
        """Both pictures show one person: the lane decides on his ticket again, without comparing."""
        ...

    async def reject_face(self, lane_id: str, request_id: str, by: str, scan_id: str) -> StaffOutcome:
        """They show two people: the look is over."""
        ...


class FaceCutter(Protocol):
    """Cuts the face out of a frame, so that staff compare within seconds."""

    async def cut_out(self, frame: bytes) -> bytes | None:
        """A JPEG of the one face in it with a margin; None when there is none, or several, of whom staff should see all. Raises
        FacesUnavailable, Invalid."""
        ...


class FacePictures(Protocol):
    """Pictures of enrolled faces."""

    async def picture(self, ticket_id: TicketId) -> bytes | None:
        """The JPEG that was kept with that ticket's face; None when there is none. Raises Unavailable."""
        ...
