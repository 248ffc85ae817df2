"""The crowd brain of an open site: looks, thinks, proposes, and does what the mode lets it do. No Ray here.

Modes: `advise` only says, `confirm` waits for staff, `automatic` acts. Whatever goes wrong in thinking, the plain rule holds:
no lane is asked to stay closed, so that the gates open them again by themselves. Nothing here is needed to admit anybody.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from orchestrator.area_watch import AreaWatches
from orchestrator.balance import POLICIES, Sighted, Steady
from orchestrator.crowd_senses import ANYWHERE, CrowdSenses, is_known
from orchestrator.crowd_view import Advice, Policy, View
from orchestrator.gate_sense import GateEstimate, LaneNews
from orchestrator.lane_keeper import STANDARD, LaneKeeper, Wanted
from orchestrator.lane_turning import lane_turners
from orchestrator.sign_desk import SignDesk, order_ends
from orchestrator.sign_displays import Displays, NoDisplays
from resort.access.service_day import site_day
from resort.alarm_levels import SensorSight
from resort.clock import Clock, Moment
from resort.crowd import (
    BY_ORCHESTRATOR,
    ActView,
    AreaView,
    CrowdGateView,
    CrowdMode,
    CrowdView,
    Outcome,
    OutlookView,
    ProposalView,
    SignView,
)
from resort.errors import Invalid, NotFound, SnowgateError, Unavailable, WrongState
from resort.ids import EventId, GateId, IdSource, LaneId
from resort.messages import JournalEvent, StaffActed
from resort.sign_words import sign_words
from resort.site import LaneClass, Site
from resort.texts import Text

ACTS_KEPT = 50
STAFF_ACTIONS = ("mode", "policy")  # of `StaffActed`, that are orders of staff which nothing overrules
MODE_ACTION = "crowd_mode"
SIGN_ACTION = "sign"
_log = logging.getLogger("snowgate.crowd")


class CrowdGates(Protocol):
    """What can be done at gates. Raises SnowgateError; whatever fails is proposed again if it is still wanted."""

    async def spare(self, lane_id: str, note: str, *, leads_out: bool = False) -> None:
        """Close a lane, or let it lead out, for as long as `renew` names it. Raises WrongState where guests still need it."""
        ...

    async def open(self, lane_id: str, note: str, *, spared: bool) -> None:
        """Open a lane, spared by us or closed by staff."""
        ...

    async def set_policy(self, lane_id: str, admits: frozenset[LaneClass], note: str) -> None:
        """Whom the lane admits besides its own."""
        ...

    async def renew(self, gate_id: str, lane_ids: frozenset[str]) -> None:
        """These lanes are still not needed."""
        ...


Tell = Callable[[StaffActed], Awaitable[None]]
Keep = Callable[[CrowdMode], Awaitable[None]]


class CrowdDesk:
    """`begin` once, `take` events as they come, `tick` with news of gates and sensors; staff may call the rest at any time."""

    def __init__(
        self,
        site: Site,
        gates: CrowdGates,
        clock: Clock,
        ids: IdSource,
        keep: Keep,
        tell: Tell,
        displays: Displays | None = None,
    ) -> None:
        """`keep` makes the mode outlive this process; `tell` journals what staff ordered. Both raise Unavailable."""
        self._settings = site.crowd
        self._site = site
        self._gates = gates
        self._clock = clock
        self._ids = ids
        self._keep, self._tell = keep, tell
        self.mode: CrowdMode = site.crowd.mode
        self.senses = CrowdSenses(site)
        self._keepers = {str(gate.id): LaneKeeper(str(gate.id), site.crowd) for gate in site.gates}
        self._turners = lane_turners(site)
        self._signs = SignDesk(site.crowd)
        self._displays = displays or NoDisplays()
        self.area_watches = AreaWatches(site.crowd)
        self.areas: list[AreaView] = []
        self._policy: Policy = Sighted(Steady(POLICIES[site.crowd.policy]), site.crowd.blind_s)
        self._advice: Advice | None = None
        self._proposals: dict[tuple[str, str, str], tuple[ProposalView, Wanted]] = {}
        self._left_alone: dict[str, datetime] = {}  # by lane
        self._declined: dict[tuple[str, str, str], datetime] = {}
        self._done: deque[ActView] = deque(maxlen=ACTS_KEPT)
        self._looked: Moment | None = None
        self._outlook: list[OutlookView] = []
        self._fault = "It has not looked yet."
        self._acting = asyncio.Lock()

    def begin(self, mode: CrowdMode | None, ordered: Mapping[str, datetime]) -> None:
        """The mode that staff chose last, if any, and when they last ordered each lane."""
        self.mode = mode or self.mode
        for lane_id, at in ordered.items():
            self._leave_alone(lane_id, at)

    def take(self, event: JournalEvent, at: Moment) -> None:
        """A journal event, with the moment at which it counts."""
        if isinstance(event, StaffActed):
            if event.by != BY_ORCHESTRATOR and event.action in STAFF_ACTIONS and event.lane_id:
                self._leave_alone(event.lane_id, event.at)
            return
        self.senses.take(event, at.tick_ns / 1e9)

    async def tick(
        self, lanes: Mapping[str, Sequence[LaneNews]], sensors: Sequence[SensorSight], outlook: Sequence[OutlookView] = ()
    ) -> None:
        """Look, think, act. Never raises for what thinking or gates may do: then the plain rule holds until it works again."""
        now = self._clock.now()
        now_s = now.tick_ns / 1e9
        try:
            self.senses.see(lanes, sensors, now_s)
            self.senses.foresee(outlook, now.at)
            wishes = self._think(now, now_s)
            self.areas = self.area_watches.see(sensors, self._known, site_day(now.at, self._site), now_s)
            fault = ""
        except Exception as error:  # whatever a rule does on numbers that nobody foresaw, gates go on
            _log.exception("the crowd brain cannot think; every lane opens")
            wishes, self._advice = [], None
            fault = f"It cannot think ({type(error).__name__}); the plain rule holds: every lane opens."
        self._fault, self._looked, self._outlook = fault, now, list(outlook)
        wishes = [*wishes, *self._look_at_signs(now, now_s)]
        self._propose(wishes, now)
        if self.mode == "automatic":
            for proposal, wanted in list(self._proposals.values()):
                if wanted.wish != "ask_staff":
                    await self._carry_out(proposal, wanted, BY_ORCHESTRATOR)
        if self.mode != "advise" and not fault:
            await self._renew(now_s)

    # ---- staff

    async def set_mode(self, mode: CrowdMode, by: str) -> None:
        """See `CrowdControl`."""
        at = self._clock.now().at
        await self._keep(mode)
        await self._tell(self._acted(at, by, MODE_ACTION, "", mode))
        self.mode = mode

    async def accept(self, proposal_id: str, by: str) -> ActView:
        """See `CrowdControl`."""
        proposal, wanted = self._found(proposal_id)
        if self.mode == "advise":
            raise WrongState("crowd mode", self.mode, "carry a proposal out")
        return await self._carry_out(proposal, wanted, by)

    async def order_sign(self, sign_id: str, gate_id: str | None, minutes: int, by: str) -> None:
        """See `CrowdControl`."""
        sign = next((sign for sign in self._settings.signs if sign.id == sign_id), None)
        if sign is None or sign_id not in self._signs:
            raise NotFound("sign with a display", sign_id)
        if gate_id and gate_id not in sign.walk_s:
            raise Invalid("gate_id", f"that sign names {', '.join(sorted(map(str, sign.walk_s)))} only")
        now = self._clock.now()
        await self._tell(
            self._acted(now.at, by, SIGN_ACTION, sign_id, gate_id or ("" if gate_id is None else "blank"), gate_id)
        )
        if gate_id is None:
            self._signs.release(sign_id)
        else:
            self._signs.order(sign_id, gate_id, order_ends(now.at, minutes))
        self._show(now.tick_ns / 1e9)

    async def decline(self, proposal_id: str, by: str) -> ActView:
        """See `CrowdControl`."""
        proposal, wanted = self._found(proposal_id)
        self._declined[wanted.key] = self._clock.now().at + timedelta(seconds=self._settings.human_s)
        return self._finish(proposal, wanted, by, "declined")

    def view(self) -> CrowdView:
        """How it stands."""
        now = self._clock.now()
        now_s = now.tick_ns / 1e9
        late = self._looked is None or now.ms_since(self._looked) > 4_000 * self._settings.tick_s
        return CrowdView(
            mode=self.mode,
            at=None if self._looked is None else self._looked.at,
            fault=self._fault or ("It has not looked for long." if late else ""),
            gates=[self._gate_view(gate_id, now, now_s) for gate_id in self.senses.gate_ids],
            signs=self._sign_views(),
            proposals=[proposal for proposal, _ in self._proposals.values()],
            done=list(self._done),
            outlook=self._outlook,
            areas=self.areas,
        )

    # ---- inside

    def _think(self, now: Moment, now_s: float) -> list[Wanted]:
        view: View = self.senses.view(now_s)
        view.check()
        self._advice = self._policy.advise(view, self._advice)
        self.senses.shown(view, self._advice)
        wishes = []
        for gate_id, keeper in self._keepers.items():
            left_alone = self._alone_at(now)
            estimate, lanes = self.senses.estimate(gate_id, now_s), self.senses.lanes(gate_id)
            wishes += keeper.look(now_s, estimate, lanes, left_alone)
            turner = self._turners.get(gate_id)
            if turner is not None:
                leaving = self.senses.leaving(gate_id, self._settings.blind_s)
                wishes += turner.look(now_s, estimate, leaving, lanes, left_alone)
        return wishes

    def _known(self, gate_id: str) -> GateEstimate | None:
        estimate = self.senses.estimate(gate_id, self._clock.now().tick_ns / 1e9)
        return estimate if is_known(estimate, self._settings.blind_s) else None

    def _look_at_signs(self, now: Moment, now_s: float) -> list[Wanted]:
        """What displays name follows the advice; without one they go blank."""
        signs = {view.sign_id: view for view in self._sign_views()}
        known = {gate_id: self._known(gate_id) for gate_id in self.senses.gate_ids}
        is_open = {gate_id: estimate is not None and estimate.lanes_open > 0 for gate_id, estimate in known.items()}
        wishes = self._signs.look(now_s, now.at, self.mode, signs, is_open)
        self._show(now_s)
        return wishes

    def _show(self, now_s: float) -> None:
        texts = {}
        for sign in self._settings.signs:
            gate_id = self._signs.names().get(sign.id, "")
            walk_s = next((seconds for gate, seconds in sign.walk_s.items() if str(gate) == gate_id), None)
            if walk_s is not None:
                estimate = self._known(gate_id)
                texts[sign.id] = sign_words(self._gate_name(gate_id), None if estimate is None else estimate.wait_s, walk_s)
        self._displays.show(texts)

    def _gate_name(self, gate_id: str) -> Text:
        return next(gate.name for gate in self._site.gates if gate.id == gate_id)

    def _acted(self, at: datetime, by: str, action: str, note: str, outcome: str, gate_id: str | None = "") -> StaffActed:
        return StaffActed(
            event_id=EventId(self._ids.new("order")), caused_by=by, at=at, gate_id=GateId(gate_id or ""), lane_id=LaneId(""),
            by=by, action=action, note=note, outcome=outcome,
        )  # fmt: skip

    def _propose(self, wishes: Sequence[Wanted], now: Moment) -> None:
        """The proposals are what is wanted now, without what staff declined; one that stays keeps its id."""
        self._declined = {key: until for key, until in self._declined.items() if until > now.at}
        kept: dict[tuple[str, str, str], tuple[ProposalView, Wanted]] = {}
        for wanted in wishes:
            if wanted.key in self._declined:
                continue
            known = self._proposals.get(wanted.key)
            proposal = ProposalView(
                known[0].proposal_id if known else self._ids.new("proposal"), wanted.wish, wanted.gate_id, wanted.lane_id,
                wanted.reason, wanted.effect, known[0].since if known else now.at, wanted.sign_id,
            )  # fmt: skip
            kept[wanted.key] = proposal, wanted
        self._proposals = kept

    async def _carry_out(self, proposal: ProposalView, wanted: Wanted, by: str) -> ActView:
        async with self._acting:
            if wanted.key not in self._proposals:
                raise NotFound("proposal", proposal.proposal_id)
            note = wanted.reason.en if by == BY_ORCHESTRATOR else f"accepted by {by}: {wanted.reason.en}"
            try:
                await self._order(wanted, note[:200])
            except SnowgateError as error:
                if isinstance(error, WrongState):
                    self._keepers[wanted.gate_id].refused(wanted.lane_id, self._clock.now().tick_ns / 1e9)
                return self._finish(proposal, wanted, by, "failed", str(error))
            except Exception as error:  # a gate's bug is no reason to stop looking
                _log.exception("an order of the crowd brain failed")
                return self._finish(proposal, wanted, by, "failed", type(error).__name__)
            self._keepers[wanted.gate_id].acted(wanted.lane_id, self._clock.now().tick_ns / 1e9)
            return self._finish(proposal, wanted, by, "seen" if wanted.wish == "ask_staff" else "done")

    async def _order(self, wanted: Wanted, note: str) -> None:
        lane_id = wanted.lane_id
        lane = next((lane for lane in self.senses.lanes(wanted.gate_id) if lane.lane_id == lane_id), None)
        match wanted.wish:
            case "open_lane" | "turn_lane_in":
                await self._gates.open(lane_id, note, spared=lane is not None and lane.spared)
            case "close_lane" | "turn_lane_out":
                await self._gates.spare(lane_id, note, leads_out=wanted.wish == "turn_lane_out")
            case "share_fast_lane" | "keep_fast_lane":
                if lane is None:
                    raise Unavailable(f"Lane {lane_id}", "nothing is heard of it")
                rest = frozenset(admitted for admitted in lane.admits if admitted != STANDARD)
                admits = rest | {STANDARD} if wanted.wish == "share_fast_lane" else rest
                await self._gates.set_policy(lane_id, msgspec.convert(admits, frozenset[LaneClass]), note)
            case "name_gate":
                now_s = self._clock.now().tick_ns / 1e9
                self._signs.accept(wanted.sign_id, wanted.gate_id, now_s)
                self._show(now_s)
            case "ask_staff":
                self._declined[wanted.key] = self._clock.now().at + timedelta(seconds=self._settings.human_s)

    def _finish(self, proposal: ProposalView, wanted: Wanted, by: str, outcome: Outcome, detail: str = "") -> ActView:
        self._proposals.pop(wanted.key, None)
        act = ActView(
            self._clock.now().at,
            wanted.wish,
            wanted.gate_id,
            wanted.lane_id,
            wanted.reason,
            wanted.effect,
            by,
            outcome,
            detail,
            wanted.sign_id,
        )
        if outcome != "failed" or not self._done or (self._done[0].detail, self._done[0].lane_id) != (detail, wanted.lane_id):
            self._done.appendleft(act)  # what fails again and again is told once
        return act

    async def _renew(self, now_s: float) -> None:
        """Lanes that we closed stay closed, but for gates of which nothing is heard."""
        for gate_id in self.senses.gate_ids:
            spared = frozenset(lane.lane_id for lane in self.senses.lanes(gate_id) if lane.spared)
            if spared and is_known(self.senses.estimate(gate_id, now_s), self._settings.blind_s):
                try:
                    await self._gates.renew(gate_id, spared)
                except SnowgateError as error:
                    _log.info("gate %s keeps no lane closed: %s", gate_id, error)

    def _found(self, proposal_id: str) -> tuple[ProposalView, Wanted]:
        for proposal, wanted in self._proposals.values():
            if proposal.proposal_id == proposal_id:
                return proposal, wanted
        raise NotFound("proposal", proposal_id)

    def _leave_alone(self, lane_id: str, at: datetime) -> None:
        until = at + timedelta(seconds=self._settings.human_s)
        self._left_alone[lane_id] = max(until, self._left_alone.get(lane_id, until))

    def _alone_at(self, now: Moment) -> dict[str, datetime]:
        self._left_alone = {lane_id: until for lane_id, until in self._left_alone.items() if until > now.at}
        return self._left_alone

    def _gate_view(self, gate_id: str, now: Moment, now_s: float) -> CrowdGateView:
        estimate: GateEstimate = self.senses.estimate(gate_id, now_s)
        lanes = self.senses.lanes(gate_id)
        known = is_known(estimate, self._settings.blind_s)
        ids = {lane.lane_id for lane in lanes}
        alone = {lane_id: until for lane_id, until in self._alone_at(now).items() if lane_id in ids}
        if not known:
            return CrowdGateView(gate_id, True, None, 0, None, None, None, None, None, None, None, [], alone)
        return CrowdGateView(
            gate_id, False, round(estimate.age_s, 1), estimate.lanes_open, self._keepers[gate_id].wanted_lanes,
            round(estimate.queue, 1), round(estimate.queue_sd, 1),
            None if estimate.wait_s is None else round(estimate.wait_s), round(60 * estimate.arriving_per_s, 1),
            round(estimate.next_quarter), round(estimate.next_quarter_sd),
            [lane.lane_id for lane in lanes if lane.spared], alone, list(estimate.doubted),
        )  # fmt: skip

    def _sign_views(self) -> list[SignView]:
        if self._advice is None or self.senses.sign_ids == [ANYWHERE]:
            return []
        views = []
        for sign, shares in zip(self._site.crowd.signs, self._advice.shares, strict=True):
            by_gate = {gate: round(float(share), 3) for gate, share in zip(self.senses.gate_ids, shares, strict=True)}
            named = max(sign.walk_s, key=lambda gate: by_gate.get(str(gate), 0.0))
            shares = {gate: share for gate, share in by_gate.items() if share}
            names, until = self._signs.names().get(sign.id, ""), self._signs.ordered_until(sign.id)
            views.append(SignView(sign.id, sign.name, str(named), shares, self._displays.state(sign.id), names, until))
        return views
