"""What breaks on a virtual day, by itself or by the scenario: lanes, lifts, gates, and a fire drill."""

import random

from resort.texts import Text
from sim.mountain.course import Course
from sim.mountain.gate import Gate, Worker
from sim.mountain.lift import Lift
from sim.mountain.outing import Outing
from sim.mountain.parties import Party
from sim.mountain.scenario import FireDrill, GateLoss, LiftStop, Scenario
from sim.mountain.steering import Steering
from sim.mountain.tally import Decided, Tally

OUT_PER_S = 0.8  # persons a second who leave through one released arm
BETWEEN_GATES_M_PER_S = 1.1


class Incidents:
    """Plans faults from their own dice, so that a policy changes none of them."""

    def __init__(
        self, scene: Scenario, course: Course, tally: Tally, gates: list[Gate], outing: Outing, steering: Steering, seed: int
    ) -> None:
        self._scene, self._course, self._tally = scene, course, tally
        self._gates, self._outing, self._steering = {gate.scene.id: gate for gate in gates}, outing, steering
        self._dice = random.Random(f"{seed} faults")
        self._drill_ends_s = 0.0

    def plan(self) -> None:
        """Draw what breaks when."""
        faults, ends_s = self._scene.faults, self._scene.day.minutes * 60.0
        for gate in self._gates.values():
            for worker in gate.workers:
                for at_s, lasts_s in self._breaks(faults.lane_every_h, faults.lane_repair_min, ends_s):
                    self._course.do(at_s, self._fault, gate, worker, True)
                    self._course.do(at_s + lasts_s, self._fault, gate, worker, False)
        for lift in self._outing.lifts.values():
            for at_s, lasts_s in self._breaks(faults.lift_every_h, faults.lift_stop_min, ends_s):
                self._course.do(at_s, lift.stop, lasts_s)
        for incident in self._scene.incidents:
            at_s, lasts_s = incident.at_min * 60, incident.minutes * 60
            match incident:
                case LiftStop():
                    self._course.do(at_s, self._stop, self._outing.lifts[incident.lift], lasts_s)
                case GateLoss():
                    self._course.do(at_s, self._lose, self._gates[incident.gate])
                    self._course.do(at_s + lasts_s, self._find, self._gates[incident.gate])
                case FireDrill():
                    self._course.do(at_s, self._drill, incident)
                    self._course.do(at_s + lasts_s, self._drill_over, incident)

    def _breaks(self, every_h: float, mean_min: float, ends_s: float) -> list[tuple[float, float]]:
        found: list[tuple[float, float]] = []
        at_s = 0.0
        while every_h:
            at_s += self._dice.expovariate(1 / (every_h * 3_600))
            if at_s >= ends_s:
                break
            found.append((at_s, self._dice.expovariate(1 / (mean_min * 60))))
            at_s += found[-1][1]
        return found

    def _fault(self, gate: Gate, worker: Worker, broken: bool) -> None:
        """The controller of one arm reports a fault, or is well again."""
        worker.lane.steel.fault = broken
        worker.lane.look()
        gate.changed()

    def _stop(self, lift: Lift, lasts_s: float) -> None:
        lift.stop(lasts_s)
        name = lift.scene.name
        self._tell(lift.scene.id, Text(f"{name.zh}停运", f"{name.en} stands still (incident)"))

    def _lose(self, gate: Gate) -> None:
        """Guests in line go to the nearest other entrance; before a lift they stay."""
        gate.lose()
        name = gate.scene.name
        self._tell(gate.scene.id, Text(f"{name.zh}失联", f"{name.en} is lost (incident)"))
        others = [other for other in self._steering.entrances if other is not gate and other.open_lanes]
        if gate.scene.lift or not others:
            return
        x, y = gate.scene.at
        nearest = min(others, key=lambda other: (other.scene.at[0] - x) ** 2 + (other.scene.at[1] - y) ** 2)
        away_m = ((nearest.scene.at[0] - x) ** 2 + (nearest.scene.at[1] - y) ** 2) ** 0.5
        for guest in gate.leave_line():
            self._tally.rerouted += guest.left
            self._course.after(away_m / BETWEEN_GATES_M_PER_S * guest.party.pace, nearest.line_up, guest)

    def _find(self, gate: Gate) -> None:
        gate.find()
        self._tell(gate.scene.id, Text(f"{gate.scene.name.zh}恢复", f"{gate.scene.name.en} is back (incident)"))

    # ---- the drill

    def _drill(self, drill: FireDrill) -> None:
        """All arms into the area are held free; everybody in the lines of its lifts goes out through them."""
        gates = [gate for gate in self._gates.values() if gate.scene.area == drill.area]
        self._drill_ends_s = drill.at_min * 60 + drill.minutes * 60
        for gate in gates:
            gate.release(True)
        arms = [worker for gate in gates if not gate.scene.lift for worker in gate.workers]
        place = 0
        for lift in self._outing.lifts.values():
            if lift.scene.area == drill.area:
                lift.stop(drill.minutes * 60)
                for party in lift.clear():
                    for _ in range(party.size):
                        delay_s = (place // len(arms) + 1) / OUT_PER_S
                        self._course.after(delay_s, self._out, arms[place % len(arms)])
                        place += 1
                    self._course.do(self._drill_ends_s, self._back, party, lift)
        self._tally.evacuated += place
        self._tally.evacuation_s = max(self._tally.evacuation_s, -(-place // len(arms)) / OUT_PER_S)
        self._tell(gates[0].scene.id, Text("消防演习开始", "the fire drill begins: every arm is free (incident)"))

    def _out(self, worker: Worker) -> None:
        worker.lane.steel.push_out()
        worker.lane.look()

    def _back(self, party: Party, lift: Lift) -> None:
        """After the drill they come back through the gate; whose ticket has no entry left is let in by staff."""
        for guest in party.guests:
            guest.by_hand = party.ticket.entries is not None
        gate = self._outing.gate_of.get(lift.scene.id) or self._nearest(lift)
        gate.arrive(party, lambda: self._in_line(party, lift))

    def _in_line(self, party: Party, lift: Lift) -> None:
        for guest in party.guests:
            guest.by_hand = False
        lift.join(party)

    def _nearest(self, lift: Lift) -> Gate:
        x, y = lift.scene.at
        return min(self._steering.entrances, key=lambda gate: (gate.scene.at[0] - x) ** 2 + (gate.scene.at[1] - y) ** 2)

    def _drill_over(self, drill: FireDrill) -> None:
        for gate in self._gates.values():
            if gate.scene.area == drill.area:
                gate.release(False)
        place = next(gate.scene.id for gate in self._gates.values() if gate.scene.area == drill.area)
        self._tell(place, Text("消防演习结束", "the fire drill is over (incident)"))

    def _tell(self, place: str, text: Text) -> None:
        self._tally.decided.append(Decided(self._course.at, place, text))
