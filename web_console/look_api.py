"""Looks of staff over HTTP: the two pictures of an unsure face, once they are asked for, and what staff say of them.

The lane keeps the look and its own picture for seconds, and journals who saw it before it hands it out. Nothing is kept here,
and no answer may be cached (`no-store`, as on every answer of the API).
"""

import contextlib
import hashlib

from orchestrator.parts import FaceParts
from resort.access.lane_messages import StaffOutcome
from resort.errors import Invalid, NotFound, Unavailable
from resort.ids import IdSource
from resort.lane_looks import LookControl
from web_console.bodies import LookPictures
from web_console.callers import CONTROL
from web_console.routes import Call, Route
from web_console.tickets_api import name_of


class LookApi:
    """Handlers of looks. A site without faces has none."""

    def __init__(self, faces: FaceParts | None, ids: IdSource) -> None:
        self._faces = faces
        self._ids = ids

    def routes(self) -> list[Route]:
        """This part of the table."""
        look, action = "/api/lanes/{lane_id}/looks/{scan_id}", "compare faces"
        return [
            Route(
                "GET", look, self.pictures, CONTROL, "The two pictures of an open look; who sees them is written down", action,
                answer=LookPictures, problems=(429,),
            ),
            Route(
                "POST", f"{look}/confirm", self.confirm, CONTROL, "Both pictures show one person: decide on his ticket again",
                action, answer=StaffOutcome, keyed=True, problems=(429,),
            ),
            Route(
                "POST", f"{look}/reject", self.reject, CONTROL, "The pictures show two people: the look is over",
                action, answer=StaffOutcome, keyed=True, problems=(429,),
            ),
        ]  # fmt: skip

    async def pictures(self, call: Call) -> LookPictures:
        """In memory only, on the way to whoever asked. 404 once the look is over."""
        scan_id = call.ids["scan_id"]
        look = await self._control(scan_id).view_face(call.ids["lane_id"], self._ids.new("view"), name_of(call.caller), scan_id)
        ticket_id = look.outcome.ticket_id
        if look.outcome.outcome != "ok" or ticket_id is None:
            raise NotFound("look", scan_id)
        enrolled = None
        if self._faces is not None and self._faces.pictures is not None:
            with contextlib.suppress(Unavailable):  # staff still see who stands there
                enrolled = await self._faces.pictures.picture(ticket_id)
        return LookPictures(ticket_id, await self._face_of(look.live), enrolled)

    async def _face_of(self, frame: bytes | None) -> bytes | None:
        """The face alone; the whole frame where it cannot be cut out."""
        if frame is None or self._faces is None or self._faces.cutter is None:
            return frame
        try:
            return await self._faces.cutter.cut_out(frame) or frame
        except (Unavailable, Invalid):
            return frame

    async def confirm(self, call: Call) -> StaffOutcome:
        """In the name of who said it; the same key moves nothing twice."""
        scan_id = call.ids["scan_id"]
        return await self._control(scan_id).confirm_face(call.ids["lane_id"], _request_id(call), name_of(call.caller), scan_id)

    async def reject(self, call: Call) -> StaffOutcome:
        """Likewise."""
        scan_id = call.ids["scan_id"]
        return await self._control(scan_id).reject_face(call.ids["lane_id"], _request_id(call), name_of(call.caller), scan_id)

    def _control(self, scan_id: str) -> LookControl:
        if self._faces is None or self._faces.looks is None:
            raise NotFound("look", scan_id)
        return self._faces.looks


def _request_id(call: Call) -> str:
    """One space of keys per user, look and order; short and plain, as it stands in the journal."""
    parts = (name_of(call.caller), call.request.path, call.key)
    return f"look_{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}"
