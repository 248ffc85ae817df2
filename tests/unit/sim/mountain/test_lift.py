"""Lines before a lift: who boards which chair, stops, and a line that is cleared."""

import random
from datetime import UTC, datetime

from resort.texts import Text
from sim.mountain.course import Course
from sim.mountain.lift import Lift
from sim.mountain.parties import Party
from sim.mountain.scenario import LiftScene, RunScene
from sim.mountain.tally import Place, Tally
from tests.unit.sim.mountain.small_resort import small

NAME = Text("索道", "Chair")
TICKET = small().tickets[0]


class Line:
    """A four-seat chair every 10 s whose riders are noted."""

    def __init__(self) -> None:
        self.course, self.tally = Course(datetime(2026, 12, 12, tzinfo=UTC)), Tally()
        scene = LiftScene("chair", NAME, (0, 0), "base", 4, 10.0, 1.0, [RunScene("base", 5.0)])
        self.ridden: list[tuple[float, int]] = []
        self.lift = Lift(scene, self.course, self.tally, Place("chair", "line", NAME), self._up)

    def _up(self, party: Party, lift: Lift) -> None:
        self.ridden.append((self.course.at, party.number))

    def join(self, *sizes: int) -> list[Party]:
        parties = [
            Party(number, 0.0, 0, size, TICKET, "card", 1.0, 1.0, 1e9, None, False, random.Random(1))
            for number, size in enumerate(sizes)
        ]
        for party in parties:
            self.lift.join(party)
        return parties


def test_parties_that_fit_share_a_chair_and_singles_fill_it() -> None:
    line = Line()
    line.join(2, 3, 2, 1)
    line.course.run(5.0)
    assert line.tally.seated["chair"] == 4  # the first party, and the third, which fits
    line.course.run(1_000.0)
    assert line.ridden == [(60.0, 0), (60.0, 2), (70.0, 1), (70.0, 3)]
    assert line.tally.chairs["chair"] == 2
    assert line.lift.waiting == 0


def test_a_party_larger_than_a_chair_rides_on_two_and_goes_on_when_all_are_up() -> None:
    line = Line()
    line.join(6)
    line.course.run(1_000.0)
    assert line.ridden == [(70.0, 0)]
    assert line.tally.rides == 6


def test_a_single_who_waits_longer_than_the_head_is_not_passed_over_for_ever() -> None:
    line = Line()
    line.join(4, 1)  # nobody fits beside four

    def family() -> None:
        line.join(2, 2)

    line.course.do(1.0, family)
    line.course.run(1_000.0)
    assert (70.0, 1) in line.ridden


def test_a_stop_holds_the_line_and_is_seen() -> None:
    line = Line()
    line.lift.stop(300.0)
    line.join(2)
    assert line.lift.stopped
    assert line.lift.wait_s > 300
    line.course.run(1_000.0)
    assert line.ridden == [(360.0, 0)]
    assert not line.lift.stopped


def test_a_cleared_line_loses_nobody_and_keeps_who_is_split() -> None:
    line = Line()
    parties = line.join(6, 2, 1)
    line.course.run(1.0)  # four of the six are on their way
    assert line.lift.clear() == [parties[1], parties[2]]
    assert line.lift.waiting == 2
    line.course.run(1_000.0)
    assert [number for _, number in line.ridden] == [0]
