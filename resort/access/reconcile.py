"""What comes out when everything is known afterwards: a ticket's usage from all its events, and admissions too many. Pure.

Events reach the journal by the stream, in order, and from spools, late. So the fold here takes them in any order and always
comes to the same. What lanes decide on while they have the ledger is `resort/access/usage.py`, one event after the other.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TypeVar

import msgspec

from resort.access.entitlement import Entitlement, Usage, persons_allowed
from resort.access.usage import use
from resort.ids import EventId, GateId, GrantId, LaneId, TicketId
from resort.messages import (
    AdmissionConflict,
    GrantAnnulled,
    GrantIssued,
    GrantOutcome,
    GrantOutcomeUnknown,
    GrantReleased,
    PassageConfirmed,
    TicketEvent,
    TicketExited,
)

_LAST = datetime.max.replace(tzinfo=UTC)
_Step = tuple[datetime, str, list[TicketEvent]]  # when, which of the same moment first, what
_Settling = TypeVar("_Settling", PassageConfirmed | GrantReleased | GrantOutcomeUnknown, GrantAnnulled)


class _Deeds:
    """One ticket's events, by the grant they belong to."""

    def __init__(self, events: Iterable[TicketEvent]) -> None:
        self.grants: dict[GrantId, GrantIssued] = {}
        self.outcomes: dict[GrantId, GrantOutcome] = {}
        self.annulled: dict[GrantId, GrantAnnulled] = {}
        self.exits: dict[EventId, TicketExited] = {}
        for event in events:
            match event:
                case GrantIssued():
                    self.grants[GrantId(event.event_id)] = event
                case GrantAnnulled():
                    _keep_first(self.annulled, event)
                case TicketExited():
                    self.exits[event.event_id] = event
                case _:
                    _keep_first(self.outcomes, event)

    def uses(self) -> list[GrantId]:
        """Grants that count as used."""
        return sorted(
            grant_id
            for grant_id, outcome in self.outcomes.items()
            if not isinstance(outcome, GrantReleased) and grant_id not in self.annulled
        )


def fold_usage(events: Iterable[TicketEvent]) -> Usage:
    """The usage after all of one ticket's events, in whatever order they come and however often.

    Each grant is taken with its outcome, when that happened; a grant without outcome comes last. Of two outcomes of one grant
    the earlier counts. An outcome whose grant is nowhere counts as a use of the ticket all the same.
    """
    deeds = _Deeds(events)
    steps: list[_Step] = [(exited.at, exited.event_id, [exited]) for exited in deeds.exits.values()]
    for grant_id, grant in deeds.grants.items():
        steps += _steps(grant, deeds.outcomes.get(grant_id), deeds.annulled.get(grant_id))
    usage = Usage()
    for grant_id in sorted(deeds.outcomes.keys() - deeds.grants.keys() - deeds.annulled.keys()):
        usage = _without_grant(usage, deeds.outcomes[grant_id])
    for _, _, step in sorted(steps, key=lambda step: step[:2]):
        for event in step:
            usage = use(usage, event)
    return usage


def _steps(grant: GrantIssued, outcome: GrantOutcome | None, annulled: GrantAnnulled | None) -> list[_Step]:
    if outcome is None:
        return [(_LAST, f"{grant.at} {grant.event_id}", [grant])] if annulled is None else []
    passed: _Step = (outcome.at, outcome.event_id, [grant, outcome])
    if annulled is None:
        return [passed]
    was_open = annulled.at < outcome.at or annulled.was_unknown != isinstance(outcome, GrantOutcomeUnknown)
    if was_open or isinstance(outcome, GrantReleased):
        return []  # taken back while it was open, so its outcome changed nothing any more
    return [passed, (annulled.at, f"{outcome.event_id} {annulled.event_id}", [annulled])]


def find_conflict(ticket_id: TicketId, allowed: Entitlement, events: Iterable[TicketEvent]) -> AdmissionConflict | None:
    """The conflict that all of a ticket's events tell of, if it was used by more persons than it allows.

    Its id is made from the ticket and the grants that count, so finding it again is the same event.
    """
    known = list(events)
    limit = persons_allowed(allowed)
    uses = _Deeds(known).uses()
    if limit is None or len(uses) <= limit:
        return None
    mark = blake2b("\0".join(uses).encode(), digest_size=10).hexdigest()
    newest = max(known, key=lambda event: (event.at, event.event_id))
    return AdmissionConflict(
        event_id=EventId(f"conflict_{ticket_id}_{mark}"),
        caused_by=newest.event_id,
        at=newest.at,
        gate_id=GateId(""),
        lane_id=LaneId(""),
        ticket_id=ticket_id,
        grants=uses,
        allowed=limit,
        used=len(uses),
    )


def _keep_first(known: dict[GrantId, _Settling], event: _Settling) -> None:
    before = known.get(event.grant_id)
    if before is None or (event.at, event.event_id) < (before.at, before.event_id):
        known[event.grant_id] = event


def _without_grant(usage: Usage, outcome: GrantOutcome) -> Usage:
    if isinstance(outcome, GrantReleased):
        return usage
    return msgspec.structs.replace(
        usage,
        used=usage.used + 1,
        unknown=usage.unknown + isinstance(outcome, GrantOutcomeUnknown),
        first_at=outcome.at if usage.first_at is None else min(outcome.at, usage.first_at),
        last_at=outcome.at if usage.last_at is None else max(outcome.at, usage.last_at),
        last_gate=outcome.gate_id,
    )
