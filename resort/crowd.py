"""The crowd brain's words: how it is set up, what it says of gates, and what it proposes. Pure; no rules here.

Settings stand in the site file under `crowd:`; views are the wire format of `GET /api/crowd`. Rules are in `orchestrator/`
(docs/crowd.md). Nobody is admitted or refused by any of this.
"""

from datetime import datetime
from typing import Annotated, Literal, Protocol

import msgspec

from resort.ids import GateId
from resort.texts import Text

CrowdMode = Literal["advise", "confirm", "automatic"]
Wish = Literal[
    "open_lane", "close_lane", "share_fast_lane", "keep_fast_lane", "turn_lane_out", "turn_lane_in", "name_gate", "ask_staff"
]
DisplayState = Literal["none", "away", "blank", "shows"]
AreaLevel = Literal["calm", "filling", "full"]
Outcome = Literal["done", "failed", "declined", "seen"]
ModelUse = Literal["arrivals", "scans"]
BY_ORCHESTRATOR = "orchestrator"  # who acted, in the journal
Seconds = Annotated[int, msgspec.Meta(ge=1, le=86_400)]


class SignSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place where guests can be told which gate to take, with the mean walk to each gate that it may name."""

    id: str
    name: Text
    walk_s: dict[GateId, Seconds]  # gates that are not listed are never named here
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0  # of the guests who come, relative to the other signs
    display: str = ""  # what shows it to guests, tcp://host:port (docs/devices.md); "": nothing drives a display
    sensor: str = ""  # a people sensor (of `people`) whose `in` counts who passes here


class AreaSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place that should not hold more than so many persons: the ground before a gate, a hall, a terrace.

    Its persons are those whom `sensors` (of `people`, at all its doors, with `in` and `out`) counted in and not out, and those
    who stand before `gates`.
    """

    id: str
    name: Text
    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)]  # persons
    sensors: list[str] = []
    gates: list[GateId] = []
    warn_percent: Annotated[int, msgspec.Meta(ge=10, le=99)] = 80  # of the limit, from which on staff are warned
    warn_s: Seconds = 600  # or when it would be full within so long, at the pace of the last two minutes


class CrowdSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the orchestrator steers the crowd."""

    mode: CrowdMode = "advise"  # until an operator says otherwise, which is kept
    tick_s: Annotated[int, msgspec.Meta(ge=1, le=30)] = (
        15  # how often it looks and thinks; gates hold lanes closed for a minute
    )
    lane_per_min: Annotated[float, msgspec.Meta(gt=0, le=120)] = 15.0  # guests one lane serves, until scans tell better
    policy: Literal["hedged", "priced", "predictive", "backpressure", "nearest"] = "hedged"  # which gate signs name
    forecast: Literal["model", "trend"] = "model"  # trend: no model is opened, only the last minutes' trend counts
    signs: list[SignSite] = []  # none: nothing is said at signs
    areas: list[AreaSite] = []  # of which staff are warned before they are full
    blind_s: Seconds = 60  # a gate, or a sensor, that was not heard for so long is not known
    dwell_s: Seconds = 300  # fewer lanes would have to do for so long before one closes
    cool_down_s: Seconds = 60  # between two acts at one gate
    human_s: Seconds = 1_800  # a lane that staff ordered, or a proposal that they declined, is left alone for so long
    drain_s: Seconds = 120  # in which a standing queue should be served
    share_fast_s: Seconds = 120  # a wait at the other lanes from which an idle fast lane takes their guests too
    sign_dwell_s: Seconds = 120  # a display names a gate for so long at least, unless the gate closes
    turn_hold_s: Seconds = 60  # a reversible lane leads one way for so long at least
    turn_clear_s: Seconds = 15  # after a change no other lane of the gate changes for so long
    turn_margin: Annotated[float, msgspec.Meta(ge=0, le=1_000)] = (
        10.0  # guests a lane by which the other side must be worse off
    )
    fast_wait_s: Seconds = 20  # and the fast lane's own guests should not wait longer than this


class CrowdGateView(msgspec.Struct, frozen=True):
    """What is believed of one gate. None: not known."""

    gate_id: str
    blind: bool  # nothing was heard of it lately: the plain rule holds (no lane is kept closed for lack of guests)
    age_s: float | None
    lanes_open: int
    lanes_wanted: int | None
    queue: float | None  # persons
    queue_sd: float | None
    wait_s: float | None  # of who comes now
    arriving_per_min: float | None
    next_quarter: float | None  # persons expected within 15 minutes
    next_quarter_sd: float | None
    spared: list[str] = []  # lanes that are closed because fewer do
    left_alone: dict[str, datetime] = {}  # lanes that staff ordered, until when
    doubted: list[str] = []  # sensors that say what cannot be


class OutlookView(msgspec.Struct, frozen=True):
    """What a demand model says of one gate in the hour that begins at `hour`: persons, eight of ten times within P10 to P90."""

    gate_id: str
    hour: datetime
    p10: float
    p50: float
    p90: float
    model: str


class ModelView(msgspec.Struct, frozen=True):
    """How a learned model stands. `drift` is over `threshold` when days are not as it learnt them; what it counts, by `use`:

    `arrivals`: its error over the last week, over that of "as a week ago"; `scans`: how many times as often as in training odd
    scans lie far out.
    """

    use: ModelUse
    model: str  # "" where none runs
    drift: float | None  # None: too little was seen
    threshold: float
    looks: int  # gates' hours, or odd scans, that it was counted over
    drifted: bool = False  # with hysteresis; of arrivals, a drifted model is not listened to


class ProposalView(msgspec.Struct, frozen=True):
    """What the orchestrator would do, why, and what it expects of it."""

    proposal_id: str
    wish: Wish
    gate_id: str
    lane_id: str  # "" where the wish is about the whole gate
    reason: Text
    effect: Text
    since: datetime
    sign_id: str = ""  # of the display that should name the gate


class ActView(msgspec.Struct, frozen=True):
    """What came of a proposal. `by`: who accepted or declined it, or `orchestrator`."""

    at: datetime
    wish: Wish
    gate_id: str
    lane_id: str
    reason: Text
    effect: Text
    by: str
    outcome: Outcome
    detail: str = ""  # why it failed
    sign_id: str = ""


class SignView(msgspec.Struct, frozen=True):
    """What a sign should say: the share of its guests that each gate should get."""

    sign_id: str
    name: Text
    gate_id: str  # the gate to name now
    shares: dict[str, float]
    display: DisplayState = "none"
    names: str = ""  # the gate that its display names; "": none
    ordered_until: datetime | None = None  # staff said so, until then


class AreaView(msgspec.Struct, frozen=True):
    """How full an area is. None: not known now; the level is then the last that was."""

    area_id: str
    name: Text
    limit: int
    level: AreaLevel
    persons: int | None
    persons_sd: float | None
    per_min: float | None  # how fast it fills
    full_in_s: float | None  # at that pace; None: not soon


class CrowdView(msgspec.Struct, frozen=True):
    """Everything that the orchestrator tells of the crowd."""

    mode: CrowdMode
    at: datetime | None  # of the last look; None: it has not looked yet
    fault: str  # why it does not think now, one sentence; "" while it does
    gates: list[CrowdGateView]
    signs: list[SignView]
    proposals: list[ProposalView]
    done: list[ActView]  # the newest first
    outlook: list[OutlookView] = []  # by gate; none while no model speaks
    models: list[ModelView] = []
    areas: list[AreaView] = []


class CrowdControl(Protocol):
    """The crowd brain, as windows may ask and order it. Raises Unavailable while it is away; gates do without it."""

    async def view(self) -> CrowdView:
        """How it stands."""
        ...

    async def set_mode(self, mode: CrowdMode, by: str) -> None:
        """Durable and journaled once it returns."""
        ...

    async def accept(self, proposal_id: str, by: str) -> ActView:
        """Carry a proposal out. Raises NotFound when it is no longer proposed, WrongState while the mode is `advise`."""
        ...

    async def order_sign(self, sign_id: str, gate_id: str | None, minutes: int, by: str) -> None:
        """Let a display name a gate ("": none) for so long, whatever the balancer says; None: as it says again. Raises NotFound
        for a sign without a display, and Invalid."""
        ...

    async def decline(self, proposal_id: str, by: str) -> ActView:
        """Leave it alone for a while. Raises NotFound likewise."""
        ...
