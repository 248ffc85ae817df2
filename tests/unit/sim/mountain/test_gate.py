"""Gates: every verdict is the lane machine's; what fails is tried again; lines, lanes and links come and go."""

import random

from resort.access.reasons import Reason
from sim.mountain.gate import Gate
from sim.mountain.parties import Party
from sim.mountain.resort_day import ResortDay
from sim.mountain.scenario import TicketScene
from tests.unit.sim.mountain.small_resort import TREE, small

CALM = {"wrong_day": 0.0, "wrong_lane": 0.0}
READS = {medium: {"mean_s": 2.0, "spread": 0.2, "unreadable": 0.0} for medium in ("printed", "phone", "card", "face")}


def calm(**changes: object) -> ResortDay:
    return ResortDay(small(**{"guests": CALM, "service": READS, **changes}), 1, checked=True)


def gate(day: ResortDay, name: str = "main") -> Gate:
    return next(gate for gate in day.gates if gate.scene.id == name)


def party(day: ResortDay, size: int = 1, ticket: TicketScene | None = None, number: int = 1) -> Party:
    kind = ticket or day.scene.tickets[0]
    made = Party(number, 0.0, 0, size, kind, "printed", 1.0, 1.0, 1e9, None, False, random.Random(number))
    day.desk.sell(made)
    return made


def test_a_party_goes_on_when_all_of_it_are_through() -> None:
    day, done = calm(), []
    gate(day).arrive(party(day, 4), lambda: done.append(day.course.at))
    day.course.run(3.0)
    assert done == []
    day.course.run(60.0)
    assert len(done) == 1
    assert gate(day).entered == 4
    assert day.ledger.kinds["PassageConfirmed"] == 4


def test_a_group_passes_on_one_code_a_turn_each() -> None:
    day, done = calm(), []
    group = party(day, 5, day.scene.tickets[1])
    assert len(group.guests) == 1
    gate(day).arrive(group, lambda: done.append(1))
    day.course.run(60.0)
    assert done == [1]
    assert day.ledger.kinds["GrantIssued"] == day.ledger.kinds["PassageConfirmed"] == 5
    assert day.ledger.tickets[group.guests[0].ticket_id].usage.used == 5


def test_what_cannot_be_read_three_times_is_let_in_by_an_attendant() -> None:
    day, done = calm(service={**READS, "printed": {"mean_s": 2.0, "unreadable": 1.0}}), []
    gate(day).arrive(party(day), lambda: done.append(1))
    day.course.run(120.0)
    assert done == [1]
    assert day.tally.refusals[Reason.UNREADABLE] == 3
    assert day.tally.by_hand == 1


def test_who_is_too_late_at_the_arm_shows_the_ticket_again() -> None:
    slow = {"mean_s": 20.0, "spread": 0.01, "unreadable": 0.0}
    day = calm(service={**READS, "printed": slow})
    first = party(day)
    gate(day).arrive(first, lambda: None)
    day.course.run(40.0)
    assert day.ledger.kinds["GrantReleased"] >= 1
    assert day.tally.refusals[Reason.IN_USE] == 0


def test_a_ticket_that_ran_out_inside_sends_the_party_home() -> None:
    day = calm()
    short = TicketScene("short", 1.0, {"printed": 1.0}, minutes=1)
    allowed = day.desk._allows(short, 0)
    guests = party(day, 1)
    day.ledger.sell(guests.guests[0].ticket_id, allowed)
    gate(day).arrive(guests, lambda: None)
    day.course.run(120.0)
    assert guests.inside
    gate(day, "g-chair").arrive(guests, lambda: None)
    day.course.run(240.0)
    assert day.tally.refusals[Reason.TIME_USED_UP] == 1
    assert not guests.inside
    assert day.tally.left == 1


def test_a_ticket_of_another_day_is_exchanged_at_the_hall() -> None:
    day, done = calm(guests={"wrong_day": 1.0, "wrong_lane": 0.0}), []
    gate(day).arrive(party(day), lambda: done.append(day.course.at))
    day.course.run(3_600.0)
    assert day.tally.refusals[Reason.WRONG_DAY] == 1
    assert len(done) == 1
    assert done[0] > 240


def test_a_standard_ticket_at_the_fast_lane_goes_to_the_other_line() -> None:
    day, done = calm(guests={"wrong_day": 0.0, "wrong_lane": 1.0}), []
    gate(day).arrive(party(day), lambda: done.append(1))
    day.course.run(60.0)
    assert day.tally.refusals[Reason.WRONG_LANE] == 1
    assert done == [1]


def test_a_closed_lane_serves_nobody_and_an_opened_one_does() -> None:
    day = calm(gates=[{**TREE["gates"][1], "lanes": 2}, TREE["gates"][2]])  # type: ignore[index]
    side = gate(day, "side")
    side.want(0)
    assert side.open_lanes == 0
    side.arrive(party(day, 3), lambda: None)
    day.course.run(60.0)
    assert (side.standing, side.entered) == (3, 0)
    side.want(2)
    day.course.run(120.0)
    assert (side.standing, side.entered) == (0, 3)


def test_who_had_a_green_light_when_the_link_was_lost_is_counted_when_it_is_back() -> None:
    day = calm()
    main = gate(day)
    main.arrive(party(day), lambda: None)
    day.course.run(1.2)  # shown after 0.45 of two seconds: the arm is unlocked, and has not turned
    assert day.ledger.kinds["GrantIssued"] == 1
    main.lose()
    day.course.run(30.0)
    assert main.open_lanes == 0
    assert day.ledger.kinds["PassageConfirmed"] == 0
    main.find()
    assert main.open_lanes == 3
    assert day.ledger.kinds["PassageConfirmed"] == 1


def test_a_released_gate_holds_its_line_and_lets_it_in_afterwards() -> None:
    day = calm()
    main = gate(day)
    main.release(True)
    main.arrive(party(day, 2), lambda: None)
    day.course.run(60.0)
    assert {worker.lane.state for worker in main.workers} == {"released"}
    assert main.entered == 0
    main.release(False)
    day.course.run(120.0)
    assert main.entered == 2
