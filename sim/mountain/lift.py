"""A lift: parties in line, singles beside them, and a chair every few seconds. No gate and no way to it."""

from collections import deque
from collections.abc import Callable

from sim.mountain.course import Course
from sim.mountain.parties import Party
from sim.mountain.scenario import LiftScene
from sim.mountain.tally import Place, Tally

LOOK_BEHIND = 3  # how many parties behind are asked whether they fill a chair


class Lift:
    """Chairs are sent while somebody waits and the lift runs. `ridden` is called when the last of a party reaches the top.

    A chair takes the party at the head, or a chairful of it if it is larger, with singles who wait longer; then those of the
    next parties that fit whole; then more singles, who have a line of their own. So lift lines are marshalled.
    """

    def __init__(
        self, scene: LiftScene, course: Course, tally: Tally, place: Place, ridden: Callable[[Party, "Lift"], None]
    ) -> None:
        self.scene = scene
        self.place = place
        self.waiting = 0  # persons in line
        self._course = course
        self._tally = tally
        self._ridden = ridden
        self._parties: deque[tuple[Party, int, float]] = deque()  # how many of it stand there, since when
        self._singles: deque[tuple[Party, int, float]] = deque()
        self._sending = False
        self._next_s = 0.0  # when the next chair passes
        self._stopped_until_s = 0.0

    @property
    def persons_per_s(self) -> float:
        """The published throughput."""
        return self.scene.seats / self.scene.interval_s

    @property
    def wait_s(self) -> float:
        """What somebody who sees the line expects: the line, and the rest of a stop."""
        return self.waiting / self.persons_per_s + max(0.0, self._stopped_until_s - self._course.at)

    @property
    def stopped(self) -> bool:
        """Whether it stands still now."""
        return self._course.at < self._stopped_until_s

    def join(self, party: Party) -> None:
        """The party stands in line now."""
        line = self._singles if party.size == 1 else self._parties
        line.append((party, party.size, self._course.at))
        party.boarding = party.size
        self.waiting += party.size
        self._wake()

    def stop(self, seconds: float) -> None:
        """Stand still from now on; a longer stop counts."""
        self._stopped_until_s = max(self._stopped_until_s, self._course.at + seconds)

    def clear(self) -> list[Party]:
        """Everybody leaves the line, but for the rest of a party of which some are on a chair already: they follow."""
        gone = [party for line in (self._parties, self._singles) for party, stand, _ in line if stand == party.size]
        for line in (self._parties, self._singles):
            for entry in [entry for entry in line if entry[0] in gone]:
                line.remove(entry)
        self.waiting = sum(stand for line in (self._parties, self._singles) for _, stand, _ in line)
        return gone

    def _wake(self) -> None:
        if not self._sending:
            self._sending = True
            self._course.do(max(self._next_s, self._stopped_until_s), self._send)

    def _send(self) -> None:
        """A chair passes the line."""
        course = self._course
        if course.at < self._stopped_until_s:
            course.do(self._stopped_until_s, self._send)
            return
        self._next_s = course.at + self.scene.interval_s
        room = self._fill()
        self._tally.chairs[self.scene.id] += 1
        self._tally.seated[self.scene.id] += self.scene.seats - room
        self.place.busy_s += self.scene.interval_s * (1 - room / self.scene.seats)
        if self.waiting:
            course.do(self._next_s, self._send)
        else:
            self._sending = False

    def _fill(self) -> int:
        """Board whom this chair takes. Returns the seats that stay empty."""
        seats, parties, singles = self.scene.seats, self._parties, self._singles
        room = seats
        if parties:
            party, stand, since = parties[0]
            if stand > seats:
                parties[0] = (party, stand - seats, since)
                self._board(party, seats, since)
                return 0
            while singles and room > stand and singles[0][2] < since:  # who waits longer than the head goes before it
                self._board(*singles.popleft())
                room -= 1
            parties.popleft()
            self._board(party, stand, since)
            room -= stand
            place = 0
            while room and place < min(LOOK_BEHIND, len(parties)):
                party, stand, since = parties[place]
                if stand > room:
                    place += 1
                    continue
                del parties[place]
                self._board(party, stand, since)
                room -= stand
        while room and singles:
            self._board(*singles.popleft())
            room -= 1
        return room

    def _board(self, party: Party, persons: int, since: float) -> None:
        at_s = self._course.at
        self.waiting -= persons
        self.place.waits_s.extend([at_s - since] * persons)
        self.place.came_s.extend([since] * persons)
        party.boarding -= persons
        if not party.boarding:
            party.rides += 1
            self._tally.rides += party.size
            self._course.after(self.scene.ride_min * 60, self._ridden, party, self)
