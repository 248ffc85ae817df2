"""What a lane is deciding on: a guest's code, the next person of a party, or what staff ordered. Pure.

It gathers the tickets that the decision needs, one look-up after the other, and says what is still missing.
"""

import msgspec

from resort.access.codes import CodeReading, SiteKeys, code_mark, examine_code
from resort.access.decision import Decision, decide, scan_at
from resort.access.entitlement import TicketRecord
from resort.access.lane_messages import GrantConflicted, LookUp, StaffOrder, TicketFound
from resort.access.lane_settings import LaneSettings
from resort.access.reasons import Reason
from resort.clock import Moment
from resort.face_rules import FaceDecision
from resort.ids import ScanId, TicketId
from resort.messages import DecidedBy, GrantIssued
from resort.ports import Sighting
from resort.site import LaneClass


class HeldScan(msgspec.Struct):
    """One scan in hand. `began` and `frame_at` are for the latency figures: the later of "read" (or "frame received") and
    "lane free for it"."""

    scan_id: ScanId
    began: Moment
    frame_at: Moment
    reading: CodeReading | None = None  # the genuine code, once it was read
    mark: str = ""  # of what was held up where it was no genuine code
    order: StaffOrder | None = None  # staff ordered it: no guest is told anything
    follows: bool = False  # the next person of a party: the one before has just passed
    tries: int = 0
    record: TicketRecord | None = None
    bound: TicketRecord | None = None  # the ticket that a companion's is bound to
    bound_asked: bool = False
    decided_by: DecidedBy = "ledger"
    grant: GrantIssued | None = None
    face: FaceDecision | None = None  # what the holder's face came to
    face_asked: bool = False  # that is known, or need not be
    face_away: bool = False
    face_by: str = ""

    @classmethod
    def of(cls, scan_id: ScanId, sighting: Sighting, free_since: Moment | None) -> "HeldScan":
        """A code that was held up, perhaps before the lane was free for it."""
        held = cls(scan_id, sighting.read_at, sighting.frame_at)
        if free_since is not None and free_since.tick_ns > held.frame_at.tick_ns:
            held.frame_at = free_since
            held.began = max(held.began, free_since, key=lambda moment: moment.tick_ns)
        return held

    @property
    def ticket_id(self) -> TicketId | None:
        """The ticket in question, where a genuine code named one."""
        return None if self.reading is None else self.reading.ticket_id

    @property
    def look_up(self) -> LookUp:
        """The question for its ticket."""
        assert self.reading is not None
        return LookUp(self.scan_id, self.reading.ticket_id)

    @property
    def party_is_over(self) -> bool:
        """Whether nobody of the party is left to follow."""
        record = self.record
        return self.follows and record is not None and record.usage.used % record.entitlement.party == 0

    @property
    def by_face_alone(self) -> bool:
        """Whether a face was recognised, and no code read."""
        return self.reading is not None and self.reading.medium == "face"

    def read(self, text: str | None, keys: SiteKeys, now: Moment) -> LookUp | Reason:
        """Everything that can be said of a code without looking anything up."""
        if text is None:
            return Reason.UNREADABLE
        reading = examine_code(text, keys, now.at)
        if not isinstance(reading, CodeReading):
            self.mark = code_mark(text, keys)
            return reading
        self.reading = reading
        return Reason.STALE_CODE if reading.stale else self.look_up

    def take(self, told: TicketFound | GrantConflicted) -> None:
        """Take the answer to the last look-up; or the ticket is another one than was decided on: begin again with it."""
        if isinstance(told, TicketFound) and self.bound_asked:
            self.bound = told.record
            return
        self.tries += 1
        self.record = told.record
        if isinstance(told, TicketFound):
            self.decided_by = told.decided_by
        else:
            self.bound, self.bound_asked = None, False

    def weigh(self, settings: LaneSettings, admits: frozenset[LaneClass], now: Moment) -> Decision | LookUp:
        """The decision on what is known, or what has to be looked up before."""
        assert self.reading is not None
        gate = settings.gate
        scan = scan_at(gate, settings.lane_class, now.at, self.reading.medium, self.reading.step, admits)
        decision = decide(scan, self.record, gate, self.bound)
        if decision.reason is Reason.COMPANION_ALONE and not self.bound_asked and self.record is not None:
            bound_to = self.record.entitlement.companion_of
            if bound_to is not None:
                self.bound_asked = True
                return LookUp(self.scan_id, bound_to)
        return decision
