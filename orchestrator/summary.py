"""What a run amounted to, counted from the journal's events and nothing else. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from resort.access.entitlement import Entitlement, persons_allowed
from resort.figures import percentile
from resort.ids import TicketId
from resort.messages import GrantIssued, GrantOutcomeUnknown, GrantReleased, JournalEvent, PassageConfirmed, ScanRefused

PERCENTS = (50, 95, 99)


def count_duplicates(events: Iterable[JournalEvent], sold: Mapping[TicketId, Entitlement]) -> int:
    """Event ids that occur more than once, plus passages beyond what the tickets `sold` allow."""
    ids: Counter[str] = Counter()
    passages: Counter[TicketId] = Counter()
    for event in events:
        ids[event.event_id] += 1
        if isinstance(event, PassageConfirmed) and event.ticket_id is not None:
            passages[event.ticket_id] += 1
    repeated = sum(count - 1 for count in ids.values())
    allowed = {ticket_id: persons_allowed(entitlement) for ticket_id, entitlement in sold.items()}
    beyond = sum(max(0, passages[ticket_id] - persons) for ticket_id, persons in allowed.items() if persons is not None)
    return repeated + beyond


def summarise(events: list[JournalEvent]) -> dict[str, float]:
    """The figures of a run: counts, refusals by reason, and latencies in ms."""
    figures: dict[str, float] = {"scans": 0, "grants": 0, "passages": 0, "released": 0, "unknown": 0}
    decisions: list[float] = []
    opens: list[float] = []
    for event in events:
        match event:
            case GrantIssued():
                figures["grants"] += 1
                figures["scans"] += 1
                if (face := _face_figure(event)) is not None:
                    figures[face] = figures.get(face, 0) + 1
            case ScanRefused():
                figures["scans"] += 1
                key = f"refused_{event.reason}"
                figures[key] = figures.get(key, 0) + 1
                decisions.append(event.decision_ms)
            case PassageConfirmed():
                figures["passages"] += 1
            case GrantReleased():
                figures["released"] += 1
            case GrantOutcomeUnknown():
                figures["unknown"] += 1
        if isinstance(event, PassageConfirmed | GrantReleased):
            if event.decision_ms is not None:
                decisions.append(event.decision_ms)
            if event.open_ms is not None:
                opens.append(event.open_ms)
    for name, values in (("decision", decisions), ("scan_to_open", opens)):
        for percent in PERCENTS:
            figures[f"{name}_p{percent}_ms"] = round(percentile(values, percent), 3)
    return figures


def _face_figure(grant: GrantIssued) -> str | None:
    """What faces did for this grant, if anything; refusals count by reason: `refused_face_unsure` asked staff to look."""
    if grant.face_by:
        return "face_confirmed_by_staff"
    if grant.face_away:
        return "face_not_compared"
    if grant.face is None:
        return None
    return "face_alone" if grant.medium == "face" else "face_passes"
