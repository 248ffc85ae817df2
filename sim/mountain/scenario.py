"""What a scenario of the simulated resort says: frozen structs that refuse unknown keys, filled from `config/scenarios/*.yaml`.

Units are in the names; minutes count from `day.opens`, metres from any one point. Reading the file, and what types alone cannot
check, is in `sim/mountain/scenario_file.py`. Where defaults come from stands in docs/simulator.md.
"""

from datetime import date, time
from typing import Annotated, Literal

import msgspec

from resort.site import DayKind, LaneClass, Medium, Strict
from resort.texts import Text

Weather = Literal["clear", "snow", "storm"]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Some = Annotated[int, msgspec.Meta(ge=1)]
More = Annotated[float, msgspec.Meta(gt=0)]
Least = Annotated[float, msgspec.Meta(ge=0)]
Point = tuple[float, float]  # metres
Id = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]


class DayScene(Strict, frozen=True):
    """Which day it is. Kind and weather scale how many come and how fast they are (`sim/mountain/arrivals.py`)."""

    date: date
    opens: time = time(8)  # local
    minutes: Some = 510  # until lifts and gates close
    kind: DayKind = "weekend"
    weather: Weather = "clear"


class SourceScene(Strict, frozen=True):
    """Where guests come from, with a sign that names a gate."""

    id: Id
    name: Text
    at: Point
    share: Share
    coaches: bool = False  # they come in convoys of coaches


class ConvoyScene(Strict, frozen=True):
    """Coaches that arrive together at a stated moment, besides everybody else."""

    source: str
    at_min: Least
    coaches: Some
    seats: Some = 45
    every_s: More = 30.0


class ArrivalScene(Strict, frozen=True):
    """Who comes when: a Poisson process whose rate follows `profile` between its points."""

    guests: Count  # expected on a clear weekend
    profile: list[tuple[float, float]]  # (minute, relative rate), in order
    sources: list[SourceScene]
    party_share: tuple[float, ...] = (0.24, 0.34, 0.16, 0.17, 0.06, 0.03)  # of 1, 2, 3 ... persons
    convoys: list[ConvoyScene] = msgspec.field(default_factory=list)


class TicketScene(Strict, frozen=True):
    """A kind of ticket, and what it allows. A party has tickets of one kind."""

    code: Id
    share: Share
    media: dict[Medium, Share]  # on what it is shown
    lane_classes: tuple[LaneClass, ...] = ("standard",)
    entries: Some | None = None  # passages at gates; null: as often as the rest lets
    minutes: Some | None = None  # from the first pass
    from_min: Least | None = None  # minutes after opening from which it is valid
    group: bool = False  # one code for the whole party
    gates: tuple[str, ...] = ()  # gates or areas that it is valid at; none: all

    def covers(self, gate: str, area: str) -> bool:
        """Whether it is meant for that gate, which leads into that area."""
        return not self.gates or gate in self.gates or area in self.gates


class GateScene(Strict, frozen=True):
    """A gate: lanes before an area. With `lift` it stands before that lift; else it is an entrance that signs can name."""

    id: Id
    name: Text
    at: Point
    area: str  # the area that it leads into
    lanes: Some
    fast_lanes: Count = 0
    faces: bool = False  # its lanes recognise enrolled faces
    lift: str = ""


class RunScene(Strict, frozen=True):
    """A way down from a lift's top."""

    to: str  # an area
    minutes: More
    share: Share = 1.0


class LiftScene(Strict, frozen=True):
    """A lift. Its published throughput is `seats` every `interval_s`."""

    id: Id
    name: Text
    at: Point
    area: str  # where it starts
    seats: Some
    interval_s: More
    ride_min: More
    runs: list[RunScene]
    share: More = 1.0  # how much guests like it, against others of the area


class RestaurantScene(Strict, frozen=True):
    """Seats at tables. Who finds none goes on skiing and tries again later."""

    id: Id
    name: Text
    area: str
    seats: Some
    stay_min: More = 35.0


class HallScene(Strict, frozen=True):
    """The ticket hall: desks where some collect or exchange tickets before they go to a gate."""

    desks: Some = 20
    serve_s: More = 75.0  # mean, exponential
    walk_in: Share = 0.2  # parties that come without a ticket


class ServiceScene(Strict, frozen=True):
    """What a passage needs of a lane by medium: gamma with this mean and coefficient of variation."""

    mean_s: More
    spread: More = 0.5
    unreadable: Share = 0.02  # of readings; the guest tries again
    retry_s: More = 2.5


SERVICE: dict[Medium, ServiceScene] = {
    "printed": ServiceScene(2.8, 0.5, 0.04),
    "phone": ServiceScene(2.8, 0.5, 0.03),
    "card": ServiceScene(2.0, 0.4, 0.01, 1.5),
    "face": ServiceScene(2.2, 0.4, 0.03, 1.5),
}


class GuestScene(Strict, frozen=True):
    """How guests behave."""

    compliance: Share = 0.7  # parties that go where the sign says; others go to the nearest open gate
    walking_m_per_s: More = 1.1
    pace_spread: Share = 0.15
    patience_min: More = 8.0  # a lift with so much longer a wait is taken e times less often
    stay_min: tuple[float, float] = (330.0, 80.0)  # mean and standard deviation
    lunch_share: Share = 0.65
    lunch_min: tuple[float, float] = (180.0, 320.0)  # when they want it
    wrong_day: Share = 0.003  # tickets bought for tomorrow
    wrong_lane: Share = 0.005  # standard tickets that are held up at a fast lane


class ShiftScene(Strict, frozen=True):
    """Staff on duty. A lane is open only if somebody attends it; each attends `lanes_each`."""

    from_min: Least
    to_min: More
    attendants: Count
    lanes_each: Some = 4


class FaultScene(Strict, frozen=True):
    """What breaks by itself: exponential times between, exponential repairs. 0 hours: never."""

    lane_every_h: Least = 40.0
    lane_repair_min: More = 6.0
    lift_every_h: Least = 4.0
    lift_stop_min: More = 1.5


class LiftStop(Strict, frozen=True, tag_field="kind", tag="lift_stop"):
    """A lift stands still; who is on it stays there."""

    lift: str
    at_min: Least
    minutes: More


class GateLoss(Strict, frozen=True, tag_field="kind", tag="gate_loss"):
    """No lane of a gate can be reached; guests who stand there go to other gates."""

    gate: str
    at_min: Least
    minutes: More


class FireDrill(Strict, frozen=True, tag_field="kind", tag="fire_drill"):
    """Every lane into an area is released and everybody in its lift lines leaves through them."""

    area: str
    at_min: Least
    minutes: More


Incident = LiftStop | GateLoss | FireDrill


class CheatScene(Strict, frozen=True):
    """Who tries to get in without a right, a day."""

    shared_pass: Count = 0  # a second person uses the pass of somebody who is on the mountain
    copied_code: Count = 0  # a picture of somebody's code
    tailgating: Count = 0  # through behind somebody else
    brute_force: Count = 0  # invented codes, `tries` each
    tries: Some = 12


class SteeringScene(Strict, frozen=True):
    """What the orchestrator does. `policy` is a name of orchestrator/balance.py; counts are `age_s` old."""

    policy: str = "priced"
    opening: Literal["all", "square_root"] = "square_root"
    tick_s: More = 30.0
    age_s: Least = 30.0
    count_error: Share = 0.1
    forecast_error: Share = 0.15


class SaleScene(Strict, frozen=True):
    """A rush of orders for days to come, decided by the real quota cells."""

    orders: Count
    at_min: Least
    minutes: More
    days: Some  # for which they order
    quota_per_day: Some
    abandoned: Share = 0.15  # orders on hold that are never paid


class Scenario(Strict, frozen=True):
    """The whole file."""

    name: Text
    day: DayScene
    arrivals: ArrivalScene
    tickets: list[TicketScene]
    gates: list[GateScene]
    lifts: list[LiftScene]
    restaurants: list[RestaurantScene] = msgspec.field(default_factory=list)
    hall: HallScene = HallScene()
    service: dict[Medium, ServiceScene] = msgspec.field(default_factory=lambda: dict(SERVICE))
    guests: GuestScene = GuestScene()
    shifts: list[ShiftScene] = msgspec.field(default_factory=list)  # none: everybody is there all day
    faults: FaultScene = FaultScene()
    incidents: list[Incident] = msgspec.field(default_factory=list)
    cheats: CheatScene = CheatScene()
    steering: SteeringScene = SteeringScene()
    sale: SaleScene | None = None
    min_interval_s: Count = 60  # between two passes of one ticket at one lift, or at entrances
    travel_s: Count = 0  # least time from any other gate to an entrance; 0: none
    timezone: str = "Asia/Shanghai"
