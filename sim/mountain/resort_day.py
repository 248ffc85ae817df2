"""One day of a scenario, built and played: every part wired here and nowhere else."""

import gc
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from resort.access.codes import KEY_BYTES, SiteKeys
from resort.access.gate_rules import GateRules
from resort.access.lane_settings import LaneSettings
from resort.access.reasons import Reason
from resort.ids import GateId, LaneId, SeededIds
from resort.messages import JournalEvent
from resort.site import LaneLimits
from resort.texts import Text
from sim.mountain.cheats import Cheats
from sim.mountain.course import Course
from sim.mountain.gate import Gate, GateWorld
from sim.mountain.incidents import Incidents
from sim.mountain.lift import Lift
from sim.mountain.outing import Desks, Outing, Restaurant
from sim.mountain.parties import Guest, Party, draw_parties
from sim.mountain.sale import Sale
from sim.mountain.scenario import GateScene, Scenario
from sim.mountain.steering import Steering
from sim.mountain.tally import SAMPLE_S, Place, Tally
from sim.mountain.ticket_desk import TicketDesk
from sim.mountain.virtual_lane import VirtualLane
from sim.mountain.virtual_ledger import Keeper, VirtualLedger

HALL = "hall"
ENTRANCES = "entrances"  # as one lift, for the least interval between two passes
LIMITS = LaneLimits(passage_timeout_ms=4_500)
AFTER_S = 5_400.0  # after closing, until nobody is left anywhere
CHUNK_S = 300.0
Told = Callable[[float], None]  # share of the day that is over


@dataclass(slots=True)
class DayPlayed:
    """What came of a day."""

    scene: Scenario
    seed: int
    tally: Tally
    digest: str  # of the journal
    events: int
    steps: int
    conflicts: int
    oversold: int
    inside_at_end: int


class ResortDay:
    """Build it, then `play` it once. `checked` asserts each lane machine's invariants after each stimulus, which is slow;
    `keep` gets every line of the journal as it is written."""

    def __init__(self, scene: Scenario, seed: int, *, checked: bool = False, keep: Keeper | None = None) -> None:
        self.scene, self.seed = scene, seed
        self.tally = Tally()
        begins = datetime.combine(scene.day.date, scene.day.opens, ZoneInfo(scene.timezone))
        self.course = Course(begins)
        self.ledger = VirtualLedger(self._heard, keep)
        self._ids = SeededIds(f"resort {seed}")
        self._keys = SiteKeys(1, {1: random.Random(f"keys {seed}").randbytes(KEY_BYTES)})
        self._served_s = mean_service_s(scene)
        self._inside: list[Guest] = []
        self.world = GateWorld(scene, self.course, self.tally, self._keys, self._refused, self._home, self._attended)
        self.gates = [self._gate(gate, checked) for gate in scene.gates]
        self.outing = self._outing()
        hall = self.tally.place(HALL, "hall", Text("售票厅", "Ticket hall"), scene.hall.desks)
        self.desk = TicketDesk(
            scene, self.course, self.tally, self.ledger, self._keys, self._ids, Desks(scene.hall.desks, hall)
        )
        self.steering = Steering(scene, self.course, self.tally, self.gates, self._served_s, seed)
        self.incidents = Incidents(scene, self.course, self.tally, self.gates, self.outing, self.steering, seed)
        entrances = self.steering.entrances
        self.cheats = Cheats(scene, self.course, self.tally, self._keys, self._ids, entrances, self._inside, self._into, seed)
        self.sale = Sale(scene, scene.sale, self.course, self.tally, seed) if scene.sale is not None else None

    def play(self, told: Told | None = None) -> DayPlayed:
        """Play the day to its end."""
        for party in draw_parties(self.scene, self.seed):
            self.tally.parties += 1
            self.tally.guests += party.size
            self.course.do(party.at_s, self._come, party)
        self.incidents.plan()
        self.cheats.plan()
        if self.sale is not None:
            self.sale.plan()
        ends_s = self.scene.day.minutes * 60.0
        self.course.do(0.0, self._tick, ends_s)
        self.course.do(0.0, self._sample, ends_s)
        collects = gc.isenabled()
        gc.disable()  # a Saturday makes millions of small things, and no rings of them worth looking for
        try:
            while self.course.at < ends_s + AFTER_S and self.course.run(self.course.at + CHUNK_S):
                if told is not None:
                    told(min(1.0, self.course.at / ends_s))
        finally:
            if collects:
                gc.enable()
        if told is not None:
            told(1.0)
        return DayPlayed(
            self.scene,
            self.seed,
            self.tally,
            self.ledger.digest,
            sum(self.ledger.kinds.values()),
            self.course.steps,
            self.ledger.conflicts,
            self.sale.oversold if self.sale is not None else 0,
            sum(gate.standing for gate in self.gates) + sum(lift.waiting for lift in self.outing.lifts.values()),
        )

    # ---- building

    def _gate(self, scene: GateScene, checked: bool) -> Gate:
        least = self.scene.travel_s if not scene.lift else 0
        travel = {GateId(other.id): least for other in self.scene.gates if other is not scene} if least else {}
        rules = GateRules(
            GateId(scene.id),
            ZoneInfo(self.scene.timezone),
            scene.area,
            lift=scene.lift or ENTRANCES,
            min_interval_s=self.scene.min_interval_s,
            travel_s=travel,
        )
        lanes = []
        for number in range(scene.lanes):
            fast = number >= scene.lanes - scene.fast_lanes
            settings = LaneSettings(
                GateId(scene.id),
                LaneId(f"{scene.id}-{number + 1}"),
                "fast" if fast else "standard",
                LIMITS,
                rules.timezone,
                rules=rules,
                faces="identify" if scene.faces else "off",
            )
            lanes.append(VirtualLane(settings, self._keys, self.ledger, self.course, self._ids, checked=checked))
        return Gate(scene, self.world, lanes, self.tally.place(scene.id, "gate", scene.name, scene.lanes))

    def _outing(self) -> Outing:
        outing = Outing(self.scene, self.course, self.tally, self._served_s)
        before = {gate.scene.lift: gate for gate in self.gates if gate.scene.lift}
        for scene in self.scene.lifts:
            place = self.tally.place(scene.id, "line", scene.name)
            outing.add(Lift(scene, self.course, self.tally, place, outing.ridden), before.get(scene.id))
        for restaurant in self.scene.restaurants:
            place = self.tally.place(restaurant.id, "restaurant", restaurant.name, restaurant.seats)
            outing.restaurants.append(Restaurant(restaurant, place))
        return outing

    # ---- what happens

    def _come(self, party: Party) -> None:
        """A party arrives: to the ticket hall if it must, then past its sign."""
        self.desk.sell(party)
        if not party.walk_in:
            self._pass_sign(party)
            return
        done_s = self.desk.hall.serve(self.course.at, party.dice.expovariate(1 / self.scene.hall.serve_s))
        self.course.do(done_s, self._pass_sign, party)

    def _pass_sign(self, party: Party) -> None:
        gate, walk_s = self.steering.way(party)
        self.course.after(walk_s, gate.arrive, party, lambda: self._enter(party, gate))

    def _enter(self, party: Party, gate: Gate) -> None:
        self._inside.extend(guest for guest in party.guests if not guest.cheat)
        self.outing.enter(party, gate.scene.area)

    def _into(self, party: Party, gate: Gate) -> None:
        self.outing.enter(party, gate.scene.area)

    def _refused(self, gate: Gate, guest: Guest, reason: Reason) -> None:
        if guest.cheat:
            self.cheats.refused(gate, guest)
        else:
            self.desk.refused(gate, guest, reason)

    def _home(self, party: Party) -> None:
        self.outing.go_home(party)

    def _attended(self) -> bool:
        minute = self.course.at / 60
        shifts = self.scene.shifts
        return not shifts or any(s.attendants for s in shifts if s.from_min <= minute < s.to_min)

    def _heard(self, event: JournalEvent) -> None:
        self.tally.hear(event, self.course.at)

    # ---- the clockwork

    def _tick(self, ends_s: float) -> None:
        self.steering.tick()
        if self.course.at + self.scene.steering.tick_s < ends_s:
            self.course.after(self.scene.steering.tick_s, self._tick, ends_s)

    def _sample(self, ends_s: float) -> None:
        """Write every queue down, and what could have served it."""
        tally = self.tally
        tally.sample_s.append(self.course.at)
        for gate in self.gates:
            gate.place.queue.append(gate.standing)
            gate.place.open_s += gate.open_lanes * SAMPLE_S
        for lift in self.outing.lifts.values():
            lift.place.queue.append(lift.waiting)
            lift.place.open_s += 0.0 if lift.stopped else SAMPLE_S
        for restaurant in self.outing.restaurants:
            restaurant.place.queue.append(restaurant.taken)
            restaurant.place.open_s += restaurant.scene.seats * SAMPLE_S
        hall: Place = tally.places[HALL]
        hall.queue.append(self.desk.standing())
        hall.open_s += self.scene.hall.desks * SAMPLE_S
        if self.course.at + SAMPLE_S < ends_s:
            self.course.after(SAMPLE_S, self._sample, ends_s)


def mean_service_s(scene: Scenario) -> float:
    """What a lane needs a guest on average, readings that fail included."""
    mean_s = 0.0
    for ticket in scene.tickets:
        for medium, share in ticket.media.items():
            service = scene.service[medium]
            again = service.unreadable / (1 - min(0.9, service.unreadable))
            mean_s += ticket.share * share * (service.mean_s + again * service.retry_s)
    return mean_s
