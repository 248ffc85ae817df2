"""The site over HTTP: health, gates as the live feed sees them, and orders of staff to lanes."""

import asyncio

from resort.errors import NotFound, SnowgateError
from resort.feed import LaneView
from resort.lane_control import GateControl
from storage.accounts import Accounts
from web_console.bodies import GateDetail, GateList, HealthView, LaneModeAsk, LaneModeView, PartHealth
from web_console.callers import ANYONE, CONTROL, STAFF
from web_console.feed_hub import FeedHub
from web_console.routes import Call, Route, respond

# States in which nobody serves the lane. "closed", "faulted" and "released" are told by a live actor.
AWAY_STATES = frozenset({"unserved", "starting"})
# No session token looks like this, so accounts answer "nobody" from SQL: the cheapest question that reaches the database.
HEALTH_TOKEN = "health-probe"  # noqa: S105 - not a credential
HEALTH_LIMIT_S = 2.0


class SiteApi:
    """Handlers of health, gates and lanes."""

    def __init__(self, hub: FeedHub, gates: GateControl, accounts: Accounts) -> None:
        self._hub = hub
        self._gates = gates
        self._accounts = accounts

    def routes(self) -> list[Route]:
        """This part of the table."""
        return [
            Route("GET", "/api/health", self.health, ANYONE, "Whether all is well", answer=HealthView, problems=(503,)),
            Route("GET", "/api/gates", self.gate_list, STAFF, "Every gate and lane, live", "see the gates", answer=GateList),
            Route("GET", "/api/gates/{gate_id}", self.gate, STAFF, "One gate, live", "see the gates", answer=GateDetail),
            Route(
                "PUT", "/api/lanes/{lane_id}/mode", self.set_mode, CONTROL, "Open or close a lane; kept over restarts",
                "open or close lanes", body=LaneModeAsk, answer=LaneModeView,
            ),
        ]  # fmt: skip

    async def health(self, call: Call) -> object:
        """200 when every part is well, else 503; the body is the same."""
        parts = [await self._database_health(), self._feed_health(), self._lane_health()]
        view = HealthView(all(part.ok for part in parts), parts)
        return respond(view, 200 if view.ok else 503)

    async def gate_list(self, call: Call) -> GateList:
        """The board as it is now."""
        board = self._hub.board()
        return GateList(board.version, board.gates, board.lanes, board.alarms)

    async def gate(self, call: Call) -> GateDetail:
        """One gate of the board."""
        board = self._hub.board()
        gate_id = call.ids["gate_id"]
        gate = next((gate for gate in board.gates if gate.gate_id == gate_id), None)
        if gate is None:
            raise NotFound("gate", gate_id)
        lanes = [lane for lane in board.lanes if lane.gate_id == gate_id]
        alarms = [alarm for alarm in board.alarms if alarm.gate_id == gate_id]
        return GateDetail(board.version, gate, lanes, alarms)

    async def set_mode(self, call: Call) -> LaneModeView:
        """Pass the order on, in the name of who gave it."""
        ask: LaneModeAsk = call.body
        lane_id = call.ids["lane_id"]
        ordered_by = call.caller.user.name if call.caller.user is not None else ""
        await self._gates.set_mode(lane_id, ask.mode, ordered_by)
        return LaneModeView(lane_id, ask.mode)

    async def _database_health(self) -> PartHealth:
        try:
            async with asyncio.timeout(HEALTH_LIMIT_S):
                await self._accounts.user_of(HEALTH_TOKEN)
        except (SnowgateError, TimeoutError):
            return PartHealth("database", False, "The database does not answer.")
        return PartHealth("database", True, "The database answers.")

    def _feed_health(self) -> PartHealth:
        return PartHealth(
            "feed", self._hub.live, "The live feed answers." if self._hub.live else "The live feed does not answer."
        )

    def _lane_health(self) -> PartHealth:
        # One faulted lane is an alarm, not an outage: only a resort that serves no lane at all is unwell.
        lanes: list[LaneView] = self._hub.board().lanes if self._hub.live else []
        served = sum(lane.state not in AWAY_STATES for lane in lanes)
        return PartHealth("lanes", served > 0, f"{served} of {len(lanes)} lanes are served.")
