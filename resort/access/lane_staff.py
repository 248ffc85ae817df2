"""What staff order at one lane: let somebody pass by hand, take the last grant back, test a code. Pure.

Everything ordered leaves a trace in the journal with the name of who ordered it: the grant, the annulment, or a `StaffActed`
with what came of it. The lane machine carries an order out; this file says whether it can be, and how it is answered.
"""

from resort.access.decision import Decision
from resort.access.lane_cycle import Cycle
from resort.access.lane_journal import LaneJournal
from resort.access.lane_messages import (
    AdmitByHand,
    AmendTicket,
    AnnulLast,
    Answer,
    AppendEvent,
    Command,
    ConfirmFace,
    LookOrder,
    RejectFace,
    StaffOrder,
    StaffOutcome,
    ViewFace,
)
from resort.access.lane_scan import HeldScan
from resort.access.reasons import Reason, explain
from resort.clock import Moment
from resort.ids import GrantId, TicketId
from resort.messages import GrantIssued, GrantOutcome, GrantReleased
from resort.site import Direction
from resort.texts import Text

REMEMBERED = 32  # orders that are not carried out again when they are repeated
_ACTIONS: dict[type[StaffOrder], str] = {
    AdmitByHand: "admit_by_hand",
    AnnulLast: "annul_last",
    ViewFace: "view_face",
    RejectFace: "reject_face",
    ConfirmFace: "confirm_face",
}
DONE = Text("已完成", "Done")


def action_of(order: StaffOrder) -> str:
    """The order's stable name in the journal."""
    return _ACTIONS.get(type(order), "test_scan")


class StaffDesk:
    """Answers staff at one lane, and knows the last guest, whose entry they may give back."""

    def __init__(self, journal: LaneJournal, direction: Direction) -> None:
        self._journal = journal
        self._direction = direction
        self._last: GrantOutcome | None = None
        self._carried_out: dict[str, Answer] = {}

    def settled(self, outcome: GrantOutcome) -> None:
        """A grant came to its end: that guest is now the last one."""
        used = outcome.ticket_id is not None and not isinstance(outcome, GrantReleased)
        self._last = outcome if used else None

    def repeated(self, order: StaffOrder) -> list[Command] | None:
        """The answer to an order that was carried out already; None if it was not."""
        answer = self._carried_out.get(order.request_id)
        return None if answer is None else [answer]

    def objection(self, order: StaffOrder, lasting_state: str, cycle: Cycle) -> Reason | None:
        """Why the order cannot be carried out now. A lane that staff have closed still lets somebody through by hand."""
        if isinstance(order, AnnulLast):
            if cycle is Cycle.AWAITING_PASSAGE:
                return Reason.GRANT_OPEN  # it settles itself
            return None if self._last is not None else Reason.NOTHING_TO_ANNUL
        if "exit" in (self._direction, lasting_state):
            return Reason.EXIT_LANE
        if lasting_state == "released":
            return Reason.LANE_RELEASED
        if lasting_state in ("starting", "faulted"):
            return Reason.TURNSTILE_UNAVAILABLE
        return None if cycle is Cycle.IDLE else Reason.LANE_BUSY

    def refuse(self, order: StaffOrder, reason: Reason, now: Moment, ticket_id: TicketId | None = None) -> list[Command]:
        """The order is not carried out."""
        return self._told(order, StaffOutcome(reason.value, explain(reason), ticket_id), now)

    def tested(self, held: HeldScan, decision: Decision, now: Moment) -> list[Command]:
        """A test scan came to this decision."""
        assert held.order is not None
        attention = held.record.entitlement.attention if decision.admitted and held.record is not None else ()
        warning = decision.warning.value if decision.warning is not None else ""
        outcome = StaffOutcome(
            decision.reason.value, decision.explanation, held.ticket_id, attention=attention, warning=warning
        )
        return self._told(held.order, outcome, now)

    def admitted(self, order: StaffOrder, grant: GrantIssued) -> list[Command]:
        """The grant that staff ordered is stored."""
        return self._done(order, grant.ticket_id, GrantId(grant.event_id))

    def looked(self, order: LookOrder, ticket_id: TicketId | None, now: Moment) -> list[Command]:
        """Staff see the pictures of an open look at that ticket, or say that they show two people; None: it is over."""
        if ticket_id is None:
            return self.refuse(order, Reason.LOOK_OVER, now)
        acted = self._journal.acted(order, action_of(order), "ok", ticket_id, now)
        return [AppendEvent(acted), *self._done(order, ticket_id, None)]

    def annul(self, order: AnnulLast, now: Moment) -> list[Command]:
        """Give the last guest's entry back."""
        last, self._last = self._last, None
        assert last is not None
        annulled = self._journal.annulled(last, order, now)
        return [AmendTicket(annulled), *self._done(order, annulled.ticket_id, annulled.grant_id)]

    def _done(self, order: StaffOrder, ticket_id: TicketId | None, grant_id: GrantId | None) -> list[Command]:
        answer = Answer(order.request_id, StaffOutcome("ok", DONE, ticket_id, grant_id))
        self._carried_out[order.request_id] = answer
        if len(self._carried_out) > REMEMBERED:
            del self._carried_out[next(iter(self._carried_out))]
        return [answer]

    def _told(self, order: StaffOrder, outcome: StaffOutcome, now: Moment) -> list[Command]:
        acted = self._journal.acted(order, action_of(order), outcome.outcome, outcome.ticket_id, now)
        return [AppendEvent(acted), Answer(order.request_id, outcome)]
