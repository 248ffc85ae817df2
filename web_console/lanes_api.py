"""What staff order at a lane over HTTP: let somebody through, take the last entry back, try a code, the fast lane's policy.

The lane answers; here is only who may order, and the name under which it is written down.
"""

import contextlib
import hashlib

from resort.access.lane_messages import StaffOutcome
from resort.access.ticket_status import check_note
from resort.errors import Invalid, Unavailable
from resort.ids import IdSource
from resort.lane_control import GateControl
from sales.office import TicketOffice
from web_console.bodies import LaneOrderAsk, LanePolicyAsk, LanePolicyView, RuleView, TestScanAsk, TestScanView
from web_console.callers import CONTROL, DESK
from web_console.routes import Call, Route
from web_console.tickets_api import name_of


class LanesApi:
    """Handlers of orders at lanes."""

    def __init__(self, gates: GateControl, office: TicketOffice, ids: IdSource) -> None:
        self._gates = gates
        self._office = office
        self._ids = ids

    def routes(self) -> list[Route]:
        """This part of the table."""
        lane = "/api/lanes/{lane_id}"
        return [
            Route(
                "POST", f"{lane}/admit", self.admit, CONTROL, "Let one person through without a ticket",
                "let people through by hand", body=LaneOrderAsk, answer=StaffOutcome, keyed=True, problems=(429,),
            ),
            Route(
                "POST", f"{lane}/annul", self.annul, CONTROL, "Give the entry back that the lane's last guest used",
                "take entries back", body=LaneOrderAsk, answer=StaffOutcome, keyed=True, problems=(429,),
            ),
            Route(
                "POST", f"{lane}/test-scan", self.test_scan, DESK, "What the lane would decide on a code now, without effect",
                "try codes", body=TestScanAsk, answer=TestScanView, problems=(429,),
            ),
            Route(
                "POST", f"{lane}/policy", self.set_policy, CONTROL, "Whose tickets the lane admits besides its own",
                "order policies", body=LanePolicyAsk, answer=LanePolicyView,
            ),
        ]  # fmt: skip

    async def admit(self, call: Call) -> StaffOutcome:
        """In the name of who ordered it; the same key moves nothing twice."""
        ask: LaneOrderAsk = call.body
        return await self._gates.admit(call.ids["lane_id"], _request_id(call), name_of(call.caller), check_note(ask.note))

    async def annul(self, call: Call) -> StaffOutcome:
        """Likewise."""
        ask: LaneOrderAsk = call.body
        return await self._gates.annul(call.ids["lane_id"], _request_id(call), name_of(call.caller), check_note(ask.note))

    async def test_scan(self, call: Call) -> TestScanView:
        """The lane's decision, with every rule where SQL can be asked."""
        ask: TestScanAsk = call.body
        lane_id = call.ids["lane_id"]
        outcome = await self._gates.test_scan(lane_id, self._ids.new("test"), name_of(call.caller), ask.code)
        view = TestScanView(outcome, [])
        with contextlib.suppress(Invalid, Unavailable):
            rules = (await self._office.explain(ask.code, lane_id)).rules
            view = TestScanView(outcome, [RuleView(rule.rule, rule.inputs, rule.reason, rule.says) for rule in rules])
        return view

    async def set_policy(self, call: Call) -> LanePolicyView:
        """Durable once answered."""
        ask: LanePolicyAsk = call.body
        admits = frozenset(ask.admits)
        note = check_note(ask.note) if ask.note else ""
        await self._gates.set_policy(call.ids["lane_id"], admits, name_of(call.caller), note)
        return LanePolicyView(call.ids["lane_id"], sorted(admits))


def _request_id(call: Call) -> str:
    """One space of keys per user, lane and order; short and plain, as it stands in the journal."""
    parts = (name_of(call.caller), call.request.path, call.key)
    return f"order_{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}"
