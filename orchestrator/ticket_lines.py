"""How a terminal shows a ticket and a decision: lines of text in Chinese and English."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from resort.access.decision import RuleTrace
from resort.messages import (
    GrantAnnulled,
    GrantIssued,
    GrantOutcomeUnknown,
    GrantReleased,
    PassageConfirmed,
    TicketChanged,
    TicketEvent,
    TicketExited,
)
from sales.explanation import Explanation
from storage.orders_sql import StoredTicket
from storage.tickets_sql import FaceEvent, StaffOrder

NEWEST = 20  # events shown of a ticket
KINDS: dict[type, str] = {
    GrantIssued: "放行 admitted",
    PassageConfirmed: "通过 passed",
    GrantReleased: "未通过 did not pass",
    GrantOutcomeUnknown: "结果未知 outcome unknown",
    GrantAnnulled: "撤销放行 taken back",
    TicketExited: "离开 left",
}


def explanation_lines(found: Explanation) -> list[str]:
    """The verdict, then every rule; the one that decides is marked."""
    verdict = "放行 admitted" if found.admitted else f"拒绝 refused: {found.reason}"
    lines = [
        f"{found.ticket_id}  {found.gate_id} / {found.lane_id}  {found.at.isoformat(timespec='seconds')}",
        f"{verdict}  {found.explanation.zh} · {found.explanation.en}",
    ]
    decided = False
    for rule in found.rules:
        decides = rule.reason is not None and not decided
        decided = decided or decides
        lines.append(_rule_line(rule, decides=decides))
    return lines


def ticket_lines(
    ticket: StoredTicket, events: Sequence[TicketEvent], history: Sequence[StaffOrder], zone: ZoneInfo
) -> list[str]:
    """What it allows, what was done with it, and what staff made of it."""
    allowed = ticket.entitlement
    last_day = allowed.valid_until or allowed.valid_on
    days = f"{allowed.valid_on}" if last_day == allowed.valid_on else f"{allowed.valid_on} – {last_day}"
    entries = "不限 any number" if allowed.entries is None else str(allowed.entries)
    lines = [
        f"{ticket.ticket_id}  {allowed.product} / {allowed.unit}  {allowed.status}",
        f"  有效期 valid       {days}",
        f"  次数 entries      {entries}" + (f" × {allowed.party}" if allowed.party > 1 else ""),
        f"  已用 used         {ticket.used}",
        f"  通道 lanes        {', '.join(allowed.lane_classes)}",
        f"  介质 media        {', '.join(allowed.media)}",
    ]
    for event in events[-NEWEST:]:
        where = event.lane_id or "-"
        lines.append(f"  {event.at.astimezone(zone):%Y-%m-%d %H:%M:%S}  {where:16} {KINDS[type(event)]}{_said(event)}")
    for order in history:
        if isinstance(order.event, FaceEvent):
            continue  # `snowgate face show` tells of those
        what = order.event.status if isinstance(order.event, TicketChanged) else "entry given back"
        told = "" if order.told else "  (通道尚未得知 lanes not told yet)"
        heir = f" → {order.successor}" if order.successor else ""
        lines.append(
            f"  {order.event.at.astimezone(zone):%Y-%m-%d %H:%M:%S}  {what}{heir}  {order.event.by}: {order.event.note}{told}"
        )
    return lines


def _rule_line(rule: RuleTrace, *, decides: bool) -> str:
    inputs = ", ".join(f"{name}={_shown(value)}" for name, value in rule.inputs.items())
    says = "ok" if rule.says is None or rule.reason is None else f"{rule.reason}: {rule.says.zh} · {rule.says.en}"
    return f"{'=>' if decides else '  '} {rule.rule:12} {says}  [{inputs}]"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return "|".join(str(item) for item in value) or "-"
    return str(value).lower() if isinstance(value, bool) else str(value) or "-"


def _said(event: TicketEvent) -> str:
    by, note = getattr(event, "by", ""), getattr(event, "note", "")
    return f"  {by}: {note}" if by else ""
