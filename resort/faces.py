"""A face as a second, opt-in medium of a ticket: consent, what is stored, and the ports between the rooms that work on it.

Pure. Pictures and vectors appear in structs that live in memory only; their text form shows neither, and none is ever
journaled, logged or sent to a page. Rules for scores are in `resort/face_rules.py`, for photographs in
`resort/face_quality.py`.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, Protocol

import msgspec

from resort.face_rules import FaceDecision
from resort.ids import GateId, TicketId

GUARDIAN_UNDER = 14  # years: somebody younger is enrolled by his guardian (PIPL, article 31)

FaceOrigin = Literal["upload", "kiosk", "window", "passage"]  # where the enrolment picture was taken
ConsentGiver = Literal["holder", "guardian"]
ForgetReason = Literal["withdrawn", "requested", "expired", "replaced", "ticket_ended"]


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """Who agreed to which wording, and when. Kept as evidence after the face is gone; it holds nothing of the face."""

    wording: str  # version of the text that was shown
    given_by: ConsentGiver
    given_at: datetime


class StoredFace(msgspec.Struct, frozen=True, kw_only=True):
    """An enrolled face, decrypted: memory of an inference actor only. `vector` is float32, little-endian, of unit length."""

    ticket_id: TicketId
    model_id: str
    vector: bytes
    valid_on: date
    valid_until: date
    places: tuple[str, ...] = ()  # gates, zones and lifts that the ticket covers; none: the whole site

    def __repr__(self) -> str:
        return f"StoredFace({self.ticket_id}, {self.model_id})"


class FaceChange(msgspec.Struct, frozen=True):
    """One step of the sequence that galleries follow; `face` None: forget that ticket's face now."""

    version: int
    ticket_id: TicketId
    face: StoredFace | None = None


class FaceChanges(Protocol):
    """What galleries follow; storage implements it. Raises DatabaseUnavailable."""

    async def after(self, version: int, limit: int) -> Sequence[FaceChange]:
        """Changes past `version`, in order, at most `limit`; only the last one of each ticket. From 0: every enrolled face."""
        ...


class FaceNews(Protocol):
    """Tells galleries that there are changes, so that they need not wait until they look again by themselves."""

    async def tell(self) -> None:
        """Every gallery that can be reached has taken the changes when this returns. Never raises: others look later."""
        ...


class FaceMeasured(msgspec.Struct, frozen=True, kw_only=True):
    """A photograph as the inference pool read it for an enrolment. Without a usable face `vector` is None and `faults` says
    why. `picture` is a small JPEG of that face for the staff's look."""

    model_id: str
    faults: tuple[str, ...] = ()  # of resort.face_quality.FaceFault
    vector: bytes | None = None
    picture: bytes | None = None
    liveness: float | None = None  # advisory only

    def __repr__(self) -> str:
        return f"FaceMeasured({self.model_id}, faults={self.faults})"


class FacePool(Protocol):
    """The inference actors. Pictures are JPEG or PNG, frames of one person newest last. Raises FacesUnavailable, Invalid."""

    async def measure(self, picture: bytes) -> FaceMeasured:
        """Read a photograph for an enrolment."""
        ...

    async def compare(self, ticket_id: TicketId, frames: Sequence[bytes]) -> FaceDecision | None:
        """1:1: are these frames of the ticket's holder? None: no face is enrolled for that ticket."""
        ...

    async def read_ahead(self, frame: bytes) -> None:
        """Read a frame about which `identify` will be asked in a moment, so that the question need not wait for it. Answers
        nothing and never raises: what could not be read is read with the question."""
        ...

    async def identify(self, gate_id: GateId, frames: Sequence[bytes]) -> FaceDecision:
        """1:N among the holders who may pass at that gate today."""
        ...
