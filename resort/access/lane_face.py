"""What faces add to the decisions of one lane: when one is compared, what its verdict does, and the looks of staff. Pure.

A face never decides alone on a ticket: all other rules have spoken before it is compared, and speak on whom it names. Reading
and comparing faces is the shell's (`actors/lane_faces.py`); scores and thresholds are in `resort/face_rules.py`.
"""

import math

import msgspec

from resort.access.codes import CodeReading
from resort.access.entitlement import TicketRecord
from resort.access.lane_messages import (
    Command,
    CompareFace,
    ConfirmFace,
    FaceAnswer,
    FaceCompared,
    FaceRecognised,
    LookOrder,
    LookUp,
    OpenLook,
    RejectFace,
)
from resort.access.lane_scan import HeldScan
from resort.access.lane_settings import LaneSettings
from resort.access.reasons import Reason
from resort.clock import Moment
from resort.face_rules import NOBODY, FaceDecision, FaceVerdict
from resort.ids import IdSource, ScanId, TicketId

FRESH_MS = 1_000.0  # whoever was recognised longer ago may have left
LOOKS_KEPT = 4
_DIGITS = 4


class _Look(msgspec.Struct, frozen=True):
    reading: CodeReading
    decision: FaceDecision | None
    opened: Moment


class FaceGuard:
    """Faces at one lane. Where they are off, `question` answers at once and the rest is never asked."""

    def __init__(self, settings: LaneSettings) -> None:
        self._off = settings.faces == "off"
        self._identifies = settings.faces == "identify"
        self._away = settings.face_away
        self._look_s = settings.look_s
        self._looks: dict[ScanId, _Look] = {}  # oldest first

    def begun(self, seen: FaceRecognised, ids: IdSource, now: Moment) -> HeldScan | None:
        """The scan that a face which stands there alone begins, if it does."""
        decision = seen.decision
        if not self._identifies or decision.verdict is not FaceVerdict.PASS or decision.holder is None:
            return None
        if now.ms_since(seen.frame_at) > FRESH_MS:
            return None
        reading = CodeReading(TicketId(decision.holder), 0, 0, "face")
        held = HeldScan(ScanId(ids.new("scan")), seen.read_at, seen.frame_at, reading)
        held.face, held.face_asked = journaled(decision), True
        return held

    def question(self, held: HeldScan, record: TicketRecord) -> CompareFace | None:
        """What is to be known of the holder's face before he is granted entry. A ticket has one holder: of a party only the
        first is compared, so he goes first."""
        if self._off or held.face_asked or held.reading is None:
            return None
        held.face_asked = True
        if held.follows or record.usage.used % record.entitlement.party:
            return None
        return CompareFace(held.scan_id, held.reading.ticket_id)

    def answered(self, held: HeldScan, answer: FaceAnswer) -> Reason | None:
        """Note what the comparison came to; a reason not to let the holder pass, if it is one."""
        if not isinstance(answer, FaceCompared):
            held.face_away = True
            return Reason.FACE_UNSURE if self._away == "look" else None
        if answer.decision is None:
            return None
        held.face = journaled(answer.decision)
        if held.face.verdict is FaceVerdict.PASS:
            return None
        return Reason.FACE_OF_ANOTHER if held.face.verdict is FaceVerdict.REFUSE else Reason.FACE_UNSURE

    def open_look(self, held: HeldScan, now: Moment) -> list[Command]:
        """Staff may decide on this scan for a while."""
        assert held.reading is not None
        self._looks[held.scan_id] = _Look(held.reading, held.face, now)
        if len(self._looks) > LOOKS_KEPT:
            del self._looks[next(iter(self._looks))]
        return [OpenLook(held.scan_id, self._look_s)]

    def look(self, order: LookOrder, now: Moment) -> TicketId | None:
        """The ticket of the open look that is ordered on; None when it is over."""
        look = self._open(order.scan_id, now)
        if look is None:
            return None
        if isinstance(order, RejectFace):
            del self._looks[order.scan_id]
        return look.reading.ticket_id

    def confirmed(self, held: HeldScan, order: ConfirmFace, now: Moment) -> LookUp | Reason:
        """Take up again what was looked at, in the name of who saw both pictures: everything but the face is decided again.
        A look can be taken up once."""
        look = self._open(order.scan_id, now)
        if look is None:
            return Reason.LOOK_OVER
        del self._looks[order.scan_id]
        held.reading, held.face, held.face_asked, held.face_by = look.reading, look.decision, True, order.by
        held.face_away = look.decision is None
        return held.look_up

    def granted(self, ticket_id: TicketId) -> None:
        """Its holder passes after all: a look at the same ticket is over, lest it lets in somebody else."""
        if self._looks:
            self._looks = {scan: look for scan, look in self._looks.items() if look.reading.ticket_id != ticket_id}

    def _open(self, scan_id: ScanId, now: Moment) -> _Look | None:
        look = self._looks.get(scan_id)
        return look if look is not None and now.ms_since(look.opened) <= self._look_s * 1000.0 else None


def journaled(decision: FaceDecision) -> FaceDecision:
    """The decision as events hold it: rounded, and without what is no number, which JSON cannot say."""
    return msgspec.structs.replace(
        decision,
        score=_number(decision.score),
        threshold=_number(decision.threshold),
        runner_up=_number(decision.runner_up),
        liveness=None if decision.liveness is None else _number(decision.liveness),
    )


def _number(score: float) -> float:
    return round(score, _DIGITS) if math.isfinite(score) else NOBODY
