"""What parties do on the mountain: which lift next, where to eat, when to go home. Nothing of gates' rules and of signs."""

from heapq import heapify, heapreplace
from math import exp

from sim.mountain.course import Course
from sim.mountain.gate import Gate
from sim.mountain.lift import Lift
from sim.mountain.parties import Party
from sim.mountain.scenario import RestaurantScene, Scenario
from sim.mountain.tally import Place, Tally

TO_LIFT_S = 45.0  # from the end of a run to the next line
SEEN_S = 5.0
LAST_RIDE_S = 900.0  # before closing: nobody sets out for another ride
LUNCH_SPREAD = 4.0  # shape of the gamma of a meal
LUNCH_AGAIN_S = 1_200.0  # who found no table tries again after this


class Desks:
    """The ticket hall: one line before all desks, whose starts are known at once as nobody overtakes."""

    def __init__(self, desks: int, place: Place) -> None:
        self.place = place
        self._free = [0.0] * desks
        self._starts: list[float] = []
        heapify(self._free)

    def serve(self, at_s: float, needs_s: float) -> float:
        """A customer comes now. Returns when he is done."""
        start = max(at_s, self._free[0])
        heapreplace(self._free, start + needs_s)
        self.place.waits_s.append(start - at_s)
        self.place.came_s.append(at_s)
        self.place.busy_s += needs_s
        self._starts.append(start)
        return start + needs_s

    def standing(self, at_s: float) -> int:
        """Customers in line. Moments must not go back."""
        self._starts = [start for start in self._starts if start > at_s]
        return len(self._starts)


class Restaurant:
    """Seats. Who finds too few is turned away: a loss system."""

    def __init__(self, scene: RestaurantScene, place: Place) -> None:
        self.scene = scene
        self.place = place
        self.taken = 0

    def sit(self, persons: int) -> bool:
        """Take seats if there are enough."""
        if self.taken + persons > self.scene.seats:
            return False
        self.taken += persons
        return True

    def rise(self, persons: int) -> None:
        """Give them back."""
        self.taken -= persons


class Outing:
    """The mountain behind the gates. Parties come by `enter`; `gate_of` has the gate before a lift, if there is one."""

    def __init__(self, scene: Scenario, course: Course, tally: Tally, served_s: float) -> None:
        self.lifts: dict[str, Lift] = {}
        self.gate_of: dict[str, Gate] = {}
        self.restaurants: list[Restaurant] = []
        self._scene = scene
        self._course = course
        self._tally = tally
        self._served_s = served_s
        self._closes_s = scene.day.minutes * 60.0
        self._slow_s = scene.guests.patience_min * 60
        self._by_area: dict[str, list[Lift]] = {}
        self._weights: dict[str, tuple[float, list[float]]] = {}  # by area: when it was looked, and what was seen

    def add(self, lift: Lift, gate: Gate | None) -> None:
        """A lift with the gate before it."""
        self.lifts[lift.scene.id] = lift
        self._by_area.setdefault(lift.scene.area, []).append(lift)
        if gate is not None:
            self.gate_of[lift.scene.id] = gate

    def enter(self, party: Party, area: str) -> None:
        """The party is in an area and decides what to do."""
        at_s = self._course.at
        if at_s >= party.leaves_s or at_s >= self._closes_s - LAST_RIDE_S:
            self.go_home(party)
            return
        if party.lunch_s is not None and at_s >= party.lunch_s and self._eat(party, area):
            return
        self._ride(party, self._choose(party, area))

    def go_home(self, party: Party) -> None:
        """The party leaves."""
        party.inside = False
        self._tally.left += party.size

    def ridden(self, party: Party, lift: Lift) -> None:
        """The party is on top: down a run."""
        runs = [run for run in lift.scene.runs if self._leads_on(party, run.to)] or lift.scene.runs
        run = runs[0] if len(runs) == 1 else party.dice.choices(runs, [run.share for run in runs])[0]
        self._course.after(run.minutes * 60 * party.pace, self.enter, party, run.to)

    def line_up(self, party: Party, lift_id: str) -> None:
        """The party comes to the gate of that lift, or to its line."""
        lift, gate = self.lifts[lift_id], self.gate_of.get(lift_id)
        if gate is None:
            lift.join(party)
        else:
            gate.arrive(party, lambda: lift.join(party))

    def expected_s(self, lift: Lift) -> float:
        """How long a guest who sees the lines expects to wait for this lift."""
        gate = self.gate_of.get(lift.scene.id)
        return lift.wait_s + (gate.wait_s(self._served_s) if gate is not None else 0.0)

    def _ride(self, party: Party, lift: Lift) -> None:
        self._course.after(TO_LIFT_S * party.pace, self.line_up, party, lift.scene.id)

    def _choose(self, party: Party, area: str) -> Lift:
        lifts, weights = self._seen(area)
        if party.ticket.gates:
            allowed = [place for place, lift in enumerate(lifts) if self._allowed(party, lift)]
            if allowed:
                lifts, weights = [lifts[place] for place in allowed], [weights[place] for place in allowed]
        return lifts[0] if len(lifts) == 1 else party.dice.choices(lifts, weights)[0]

    def _seen(self, area: str) -> tuple[list[Lift], list[float]]:
        """The lifts of an area, each with how likely a guest takes it who sees the lines as they were a few seconds ago."""
        at_s, weights = self._weights.get(area, (-SEEN_S, []))
        lifts = self._by_area[area]
        if self._course.at >= at_s + SEEN_S:
            waits = [self.expected_s(lift) for lift in lifts]
            least = min(waits)
            weights = [lift.scene.share * exp((least - wait) / self._slow_s) for lift, wait in zip(lifts, waits, strict=True)]
            self._weights[area] = self._course.at, weights
        return lifts, weights

    def _allowed(self, party: Party, lift: Lift) -> bool:
        gate = self.gate_of.get(lift.scene.id)
        return gate is None or party.ticket.covers(gate.scene.id, gate.scene.area)

    def _leads_on(self, party: Party, area: str) -> bool:
        """Whether the party may ride a lift from there."""
        return not party.ticket.gates or any(self._allowed(party, lift) for lift in self._by_area[area])

    def _eat(self, party: Party, area: str) -> bool:
        places = [restaurant for restaurant in self.restaurants if restaurant.scene.area == area]
        if not places:
            return False
        for restaurant in places:
            if restaurant.sit(party.size):
                stay_s = party.dice.gammavariate(LUNCH_SPREAD, restaurant.scene.stay_min * 60 / LUNCH_SPREAD)
                party.lunch_s = None
                self._tally.lunches += party.size
                restaurant.place.busy_s += stay_s * party.size
                self._course.after(stay_s, self._rise, party, restaurant)
                return True
        self._tally.no_table += party.size
        party.lunch_s = self._course.at + LUNCH_AGAIN_S
        return False

    def _rise(self, party: Party, restaurant: Restaurant) -> None:
        restaurant.rise(party.size)
        self.enter(party, restaurant.scene.area)
