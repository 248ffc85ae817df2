"""Why a ticket would have been admitted or refused at a gate at a time: each rule, what it saw, what it says. From SQL alone.

Everything is folded up to that time: how the ticket was used, and what staff had made of it. The rules are those of the lanes
(`resort/access/decision.py`); nothing is changed by asking.
"""

from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from resort.access.codes import CodeReading, SiteKeys, examine_code
from resort.access.decision import RuleTrace, scan_at, trace
from resort.access.entitlement import TicketRecord, TicketStatus
from resort.access.gate_rules import gate_rules
from resort.access.reasons import Reason, explain
from resort.errors import Invalid, NotFound
from resort.ids import TicketId
from resort.messages import TicketChanged
from resort.site import GateSite, LaneSite, Site
from resort.texts import Text
from storage.lane_policies import policy_at
from storage.orders_sql import StoredTicket, find_ticket
from storage.tickets_sql import StaffOrder, ticket_events, ticket_history, usage_after


class Explanation(msgspec.Struct, frozen=True):
    """A verdict with what led to it. `rules` are in the order in which they speak: the first with a reason decides."""

    ticket_id: TicketId
    gate_id: str
    lane_id: str
    at: datetime
    admitted: bool
    reason: Reason
    explanation: Text
    rules: list[RuleTrace]


def place_of(site: Site, gate_id: str, lane_id: str | None) -> tuple[GateSite, LaneSite]:
    """The gate and the lane; without a lane's id the gate's first one where people enter. Raises NotFound."""
    gate = next((gate for gate in site.gates if gate.id == gate_id), None)
    if gate is None:
        raise NotFound("gate", gate_id)
    lanes = [lane for lane in gate.lanes if (lane.direction == "entry" if lane_id is None else lane.id == lane_id)]
    if not lanes:
        raise NotFound(f"lane at gate {gate_id}", lane_id or "(any)")
    return gate, lanes[0]


async def explain_code(
    connection: AsyncConnection,
    code: str,
    place: tuple[GateSite, LaneSite],
    at: datetime,
    site: Site,
    keys: SiteKeys,
) -> Explanation:
    """What a lane would have decided on this code there and then, by the policy that it had at that time.

    Raises Invalid for a code that is none of the resort's: there is nothing to explain.
    """
    reading = examine_code(code, keys, at)
    if not isinstance(reading, CodeReading):
        raise Invalid("code", explain(reading).en[:1].lower() + explain(reading).en[1:])
    gate, lane = place
    admits = await policy_at(connection, lane.id, at)
    scan = scan_at(gate_rules(site, gate), lane.lane_class, at, reading.medium, reading.step, admits)
    ticket = await record_at(connection, reading.ticket_id, at)
    bound = None
    if ticket is not None and ticket.entitlement.companion_of is not None:
        bound = await record_at(connection, ticket.entitlement.companion_of, at)
    rules = [_code_rule(reading), *trace(scan, ticket, gate_rules(site, gate), bound)]
    reason = next((rule.reason for rule in rules if rule.reason is not None), Reason.ADMITTED)
    admitted = reason is Reason.ADMITTED
    return Explanation(reading.ticket_id, gate.id, lane.id, at, admitted, reason, explain(reason), rules)


async def record_at(connection: AsyncConnection, ticket_id: TicketId, at: datetime) -> TicketRecord | None:
    """The ticket as it stood at that time, as far as SQL knows; None when it was never sold."""
    ticket = await find_ticket(connection, ticket_id)
    if ticket is None:
        return None
    status = _status_at(ticket, await ticket_history(connection, ticket_id), at)
    usage = usage_after(await ticket_events(connection, ticket_id, until=at))
    return TicketRecord(0, msgspec.structs.replace(ticket.entitlement, status=status), usage)


def _status_at(ticket: StoredTicket, history: list[StaffOrder], at: datetime) -> TicketStatus:
    changes = [order.event for order in history if isinstance(order.event, TicketChanged)]
    if not changes:
        return ticket.entitlement.status
    before = [change.status for change in changes if change.at <= at]
    return before[-1] if before else "active"


def _code_rule(reading: CodeReading) -> RuleTrace:
    reason = Reason.STALE_CODE if reading.stale else None
    inputs: dict[str, object] = {"medium": reading.medium, "step": reading.step, "steps_off": reading.steps_off}
    return RuleTrace("code", inputs, reason, None if reason is None else explain(reason))
