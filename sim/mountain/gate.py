"""A gate of a virtual day: lines, lanes that serve, readings that fail, arms that turn. No rule of admission is here.

Every verdict is that of the lane machine (`sim/mountain/virtual_lane.py`). A gate has one line before its standard lanes and
one before its fast lanes; the next free lane takes who is first.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from resort.access.codes import SiteKeys, issue_code, step_at
from resort.access.reasons import Reason
from resort.site import LaneClass
from sim.mountain.course import Course
from sim.mountain.parties import Guest, Party
from sim.mountain.scenario import GateScene, Scenario, ServiceScene
from sim.mountain.tally import Place, Tally
from sim.mountain.virtual_lane import VirtualLane

SHOWN_AFTER = 0.45  # of a passage: stepping up and holding the ticket up; the rest is the arm
REFUSED_S = 2.0  # until who was refused is out of the way
FOLLOWS_S = 1.4  # from one person of a group to the next
BY_HAND_S = 15.0
HESITATED_S = 5.0  # more than `passage_timeout_ms`: until then the grant is open
READINGS = 3  # that fail before staff are asked

Refused = Callable[["Gate", Guest, Reason], None]


@dataclass(slots=True, eq=False)
class Worker:
    """A lane and who is in it."""

    lane: VirtualLane
    wanted: bool = True  # staff attend it, and it should be open
    guest: Guest | None = None
    since_s: float = 0.0


@dataclass(slots=True, eq=False)
class GateWorld:
    """What all gates of a day share."""

    scene: Scenario
    course: Course
    tally: Tally
    keys: SiteKeys
    refused: Refused
    home: Callable[[Party], None]
    attended: Callable[[], bool] = field(default=lambda: True)  # whether any staff are on duty


class Gate:
    """Guests are offered by `arrive`; what a party does once all of it are through is its `then`."""

    def __init__(self, scene: GateScene, world: GateWorld, lanes: list[VirtualLane], place: Place) -> None:
        self.scene = scene
        self.place = place
        self.workers = [Worker(lane) for lane in lanes]
        self.came = 0  # persons, ever
        self.entered = 0
        self.tailgaters = 0  # who wait for somebody to follow
        self.lost = False
        self._standing = 0
        self._open = len(lanes)
        self._wanted = len(lanes) - scene.fast_lanes
        self._lines: dict[LaneClass, deque[Guest]] = {"standard": deque(), "fast": deque()}
        self._world = world
        self._course = world.course
        self._tally = world.tally

    # ---- what others see

    @property
    def standing(self) -> int:
        """Persons in line."""
        return self._standing

    @property
    def open_lanes(self) -> int:
        """Lanes that serve guests."""
        return self._open

    @property
    def lanes(self) -> int:
        """Lanes that there are."""
        return len(self.workers)

    def wait_s(self, served_s: float) -> float:
        """What somebody who sees the line expects; `served_s` is what a lane needs a guest."""
        return self.standing * served_s / max(1, self.open_lanes)

    # ---- guests

    def arrive(self, party: Party, then: Callable[[], None]) -> None:
        """The party comes to the line."""
        party.then = then
        party.missing = len(party.guests)
        for guest in party.guests:
            guest.left = guest.persons
            self.line_up(guest)

    def line_up(self, guest: Guest) -> None:
        """One guest stands in line; his `left` persons are to pass."""
        guest.came_s = self._course.at
        guest.tries = 0
        self.came += guest.left
        self._standing += guest.left
        self._lines[self._line_of(guest)].append(guest)
        self.serve()

    def leave_line(self) -> list[Guest]:
        """Everybody in line goes away."""
        gone = [guest for line in self._lines.values() for guest in line]
        for line in self._lines.values():
            line.clear()
        self._standing = 0
        return gone

    def serve(self) -> None:
        """Let every free lane take who is next."""
        for worker in self.workers:
            line = self._lines["fast" if worker.lane.lane_class == "fast" else "standard"]
            if line and worker.guest is None and worker.lane.ready:
                self._take(worker, line.popleft())

    # ---- lanes

    def changed(self) -> None:
        """A lane's lasting state may be another one now."""
        self._open = sum(worker.lane.state == "ready" and worker.lane.reached for worker in self.workers)
        self.serve()

    def want(self, number: int) -> None:
        """Have so many standard lanes open, and the fast ones if any; who is in a closing lane finishes."""
        if number == self._wanted:
            return
        self._wanted = number
        standard = [worker for worker in self.workers if worker.lane.lane_class != "fast"]
        for place, worker in enumerate(standard):
            wanted = place < number
            if wanted != worker.wanted:
                worker.wanted = wanted
                worker.lane.order("open" if wanted else "closed")
        self.changed()

    def lose(self) -> None:
        """No turnstile of the gate can be reached."""
        self.lost = True
        for worker in self.workers:
            worker.lane.lose()
        self.changed()

    def find(self) -> None:
        """All can be reached again."""
        self.lost = False
        for worker in self.workers:
            worker.lane.find()
        self.changed()

    def release(self, held: bool) -> None:
        """The fire panel holds the arms free, or lets them go."""
        for worker in self.workers:
            worker.lane.steel.fire_release = held
            worker.lane.look()
        self.changed()

    # ---- one passage

    def _line_of(self, guest: Guest) -> LaneClass:
        if guest.queue_class != "fast" or not self.scene.fast_lanes:
            return "standard"
        if guest.lane_class != "fast":
            return "fast"  # he is mistaken
        fast, standard = len(self._lines["fast"]), len(self._lines["standard"])
        return "fast" if fast * (self.lanes - self.scene.fast_lanes) <= standard * self.scene.fast_lanes else "standard"

    def _take(self, worker: Worker, guest: Guest) -> None:
        at_s = self._course.at
        worker.guest, worker.since_s = guest, at_s
        self._standing -= guest.left
        self.place.waits_s.extend([at_s - guest.came_s] * guest.left)
        self.place.came_s.extend([guest.came_s] * guest.left)
        if guest.by_hand:
            self._course.after(BY_HAND_S, self._hand, worker, guest)
            return
        need = self._needs(guest)
        self._course.after(need * SHOWN_AFTER, self._show, worker, guest, need)

    def _needs(self, guest: Guest) -> float:
        service: ServiceScene = self._world.scene.service[guest.medium]
        shape = service.spread**-2
        return guest.party.dice.gammavariate(shape, service.mean_s / shape)

    def _show(self, worker: Worker, guest: Guest, need: float) -> None:
        """The guest holds his ticket up, or looks at the camera."""
        lane = worker.lane
        if lane.state != "ready" or not lane.reached:
            self._put_back(worker, guest)
            return
        service = self._world.scene.service[guest.medium]
        if guest.cheat != "brute_force" and guest.party.dice.random() < service.unreadable:
            lane.show_code(None)
            guest.tries += 1
            if guest.tries < READINGS:
                self._course.after(service.retry_s, self._show, worker, guest, need)
            elif self._world.attended():
                self._course.after(BY_HAND_S, self._hand, worker, guest)
            else:
                self._course.after(REFUSED_S, self._turn_away, worker, guest, Reason.UNREADABLE)
            return
        self._tally.scans += 1
        if guest.medium == "face" and self.scene.faces:
            opened = lane.show_face(guest.ticket_id)
        else:
            opened = lane.show_code(self._code(guest))
        if opened:
            self._course.after(need * (1 - SHOWN_AFTER), self._turn, worker, guest)
            return
        self._tally.scans -= 1  # a refusal is counted as it is written down
        self._course.after(REFUSED_S, self._turn_away, worker, guest, lane.refused)

    def _code(self, guest: Guest) -> str:
        if guest.medium == "phone" and not guest.cheat:
            return issue_code(guest.ticket_id, self._world.keys, step_at(self._course.now().at))
        return guest.code

    def _hand(self, worker: Worker, guest: Guest) -> None:
        """An attendant lets him in."""
        if not worker.lane.ready:
            self._put_back(worker, guest)
            return
        self._tally.by_hand += 1
        if worker.lane.admit_by_hand("his ticket could not be used at the lane"):
            self._course.after(1.0, self._turn, worker, guest)

    def _turn(self, worker: Worker, guest: Guest) -> None:
        """The arm turns for one person."""
        steel = worker.lane.steel
        if not steel.push_in():  # he was too late
            self._course.after(HESITATED_S, self._again, worker, guest)
            return
        if self.tailgaters and not guest.cheat:
            self.tailgaters -= 1
            steel.force_in()
            self._tally.cheats["tailgating"].admitted += 1
        worker.lane.look()
        guest.left -= 1
        self.entered += 1
        self._tally.entered += 1
        if guest.left:
            again, wait = (self._turn, FOLLOWS_S) if steel.unlocked else (self._again, FOLLOWS_S)
            self._course.after(wait, again, worker, guest)
            return
        self._free(worker)
        self._through(guest)

    def _again(self, worker: Worker, guest: Guest) -> None:
        """Who was too late, or the rest of a group, shows the code once more."""
        worker.lane.look()
        self._show(worker, guest, self._needs(guest))

    def _through(self, guest: Guest) -> None:
        party = guest.party
        if guest.cheat:
            self._tally.cheats[guest.cheat].admitted += 1
        self._settle(party)

    def give_up(self, guest: Guest) -> None:
        """A guest of a party that is inside will not pass any more: all of it go home."""
        guest.party.home = True
        self._settle(guest.party)

    def _settle(self, party: Party) -> None:
        """One guest less who is awaited; with the last one the party goes on."""
        party.missing -= 1
        if party.missing:
            return
        if party.home:
            self._world.home(party)
        elif party.then is not None:
            party.inside = True
            party.then()

    def _turn_away(self, worker: Worker, guest: Guest, reason: Reason) -> None:
        self._free(worker)
        self._world.refused(self, guest, reason)

    def _put_back(self, worker: Worker, guest: Guest) -> None:
        """The lane does not serve any more: he is the first in line again, and his wait goes on."""
        self._lines["fast" if worker.lane.lane_class == "fast" else "standard"].appendleft(guest)
        self._standing += guest.left
        guest.came_s = self._course.at  # counted as a wait of its own from here
        self._free(worker)

    def _free(self, worker: Worker) -> None:
        at_s = self._course.at
        self._tally.lane_busy[worker.lane.id].append((worker.since_s, at_s))
        self.place.busy_s += at_s - worker.since_s
        worker.guest = None
        if worker.lane.machine.awaits_rotation:  # a green light that nobody uses any more: the arm locks, and the lane sees it
            self._course.after(HESITATED_S, self._look, worker)
        self.serve()

    def _look(self, worker: Worker) -> None:
        worker.lane.look()
        self.serve()
