"""What becomes of a grant, and of every other turn of the arm: by the arm's counters alone, not by time and not by the pulse.

- the counter moved: `PassageConfirmed`, also when a restarted lane finds that it moved;
- it did not, the pulse was acknowledged in this process's life and the arm is locked again: `GrantReleased`;
- the pulse never left this process: `GrantReleased` at once;
- anything else (pulse not acknowledged, restart, counter lost): `GrantOutcomeUnknown`. Never pulsed again.

Every turn inwards becomes exactly one event: a grant's passage first, the rest uncontrolled. Pure.
"""

import msgspec

from resort.access.codes import CodeReading
from resort.access.lane_arm import LaneArm
from resort.access.lane_journal import LaneJournal, Latency
from resort.clock import Moment
from resort.messages import GrantIssued, GrantOutcome, PassageUncontrolled
from resort.ports import TurnstileStatus


class OpenGrant(msgspec.Struct):
    """The grant that waits for its rotation."""

    grant: GrantIssued
    since: Moment
    reading: CodeReading | None = None  # what it was given for, if this process read it
    frame_at: Moment | None = None  # None: recovered after a restart
    latency: Latency = msgspec.field(default_factory=Latency)
    acknowledged: bool = False  # the turnstile confirmed the pulse to this very process

    @property
    def next_of_party(self) -> CodeReading | None:
        """What lets the next person of the party in, if there is one; nothing after a restart."""
        return self.reading if self.grant.member < self.grant.party else None


class Accounted(msgspec.Struct, frozen=True):
    """What one reading told. `trigger` and `outcome` of the open grant, if it has come to its end; turns without a grant."""

    trigger: str = ""
    outcome: GrantOutcome | None = None
    uncontrolled: PassageUncontrolled | None = None


class PassageWatch:
    """The open grant of a lane, and the arm that decides on it."""

    def __init__(self, journal: LaneJournal, passage_timeout_ms: int) -> None:
        self.arm = LaneArm()
        self.open: OpenGrant | None = None
        self._journal = journal
        self._timeout_ms = passage_timeout_ms

    def recover(self, grant: GrantIssued, now: Moment) -> None:
        """Go on with a grant that a process before this one left open: turns since it was given count."""
        self.arm.counter_in = grant.counter_in
        self.open = OpenGrant(grant, since=now)

    def account(self, status: TurnstileStatus, asked: Moment, now: Moment) -> Accounted:
        """Take a reading that was asked for at `asked`. The open grant is closed if the answer has an outcome."""
        turned, opened = self.arm.turns_in(status), self.open
        trigger, outcome, uncontrolled = "", None, None
        if opened is not None:
            trigger, outcome = self._judge(opened, turned, status, asked, now)
        if trigger == "arm_turned" and opened is not None and turned is not None:
            self.arm.passed(opened.grant)
            turned -= 1
        if turned:
            uncontrolled = self._journal.uncontrolled(status, turned, self.arm.why(status), now)
        if outcome is not None:
            self.open = None
        self.arm.seen(status)
        return Accounted(trigger, outcome, uncontrolled)

    def acknowledged(self, at: Moment) -> bool:
        """The controller confirmed the pulse of the open grant at that moment; False: none that this process pulsed is open."""
        if self.open is None or self.open.frame_at is None:
            return False
        self.open.acknowledged = True
        self.open.latency.open_ms = at.ms_since(self.open.frame_at)
        return True

    def not_pulsed(self, now: Moment) -> GrantOutcome:
        """The open grant never reached the arm: from now on no turn is its."""
        opened, self.open = self.open, None
        assert opened is not None
        return self._journal.released(opened.grant, opened.latency, now)

    def _judge(
        self, opened: OpenGrant, turned: int | None, status: TurnstileStatus, asked: Moment, now: Moment
    ) -> tuple[str, GrantOutcome | None]:
        if turned is None:
            return self._unknown(opened, "the turnstile's counter went backwards", now)
        if turned:
            recovered = opened.frame_at is None
            return "arm_turned", self._journal.passage(opened.grant, opened.latency, now, recovered=recovered)
        # While the arm is unlocked somebody may still go; a fire release keeps it unlocked.
        if status.unlocked or status.fire_release:
            return "", None
        if opened.frame_at is None:
            # Recovered after a restart: the arm is locked and did not turn, but whether the old process's pulse is still
            # under way on a slow bus cannot be known.
            return self._unknown(opened, "the lane was restarted before the arm turned", now)
        # By the moment of asking: a reading that waited (a frozen process) must not judge what came after it.
        if asked.ms_since(opened.since) < self._timeout_ms:
            return "", None
        if not opened.acknowledged:
            return self._unknown(opened, "the turnstile did not confirm the pulse", now)
        return "arm_relocked", self._journal.released(opened.grant, opened.latency, now)

    def _unknown(self, opened: OpenGrant, detail: str, now: Moment) -> tuple[str, GrantOutcome]:
        return "outcome_unknown", self._journal.unknown(opened.grant, detail, now)
