"""The rules of one gate's lanes: quick to open, slow to close, staff first, and nothing closed while nothing is known."""

from dataclasses import replace
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.gate_sense import GateEstimate, LaneNews
from orchestrator.lane_keeper import LaneKeeper, Wanted
from resort.crowd import CrowdSite

SETTINGS = CrowdSite()
CALM = GateEstimate(3, 0.25, 0.5, 1.0, 1.0, 0.05, 45.0, 8.0, 0.0)
RUSH = replace(CALM, queue=60.0, arriving_per_s=0.8, next_quarter=720.0)


def lane(
    lane_id: str, state: str = "serving", *, lane_class: str = "standard", busy: bool = False, waiting: int | None = 0
) -> LaneNews:
    closed = state in ("closed", "spared")
    return LaneNews(lane_id, lane_class, state == "serving", closed, state == "spared", busy, waiting)


def three(*states: str) -> list[LaneNews]:
    return [lane(f"l{number}", state) for number, state in enumerate(states or ("serving",) * 3, 1)]


def wishes(wanted: list[Wanted]) -> list[tuple[str, str]]:
    return [(one.wish, one.lane_id) for one in wanted]


def test_a_lane_closes_only_after_fewer_have_done_for_the_dwell_and_only_one_at_a_time() -> None:
    keeper = LaneKeeper("g", SETTINGS)
    told = {now_s: wishes(keeper.look(now_s, CALM, three(), ())) for now_s in range(0, 330, 15)}
    assert all(not told[now_s] for now_s in told if now_s < SETTINGS.dwell_s)
    assert told[315] == [("close_lane", "l3")]
    keeper.acted("l3", 330.0)
    two = three("serving", "serving", "spared")
    assert all(not keeper.look(now_s, CALM, two, ()) for now_s in range(345, 630, 15))
    assert wishes(keeper.look(646.0, CALM, two, ())) == [("close_lane", "l2")]


def test_lanes_open_at_once_and_the_one_that_was_spared_first() -> None:
    keeper = LaneKeeper("g", SETTINGS)
    (wanted,) = keeper.look(0.0, RUSH, three("serving", "closed", "spared"), ())
    assert (wanted.wish, wanted.lane_id) == ("open_lane", "l3")
    assert "60" in wanted.reason.en
    assert "instead of" in wanted.effect.en
    assert wanted.reason.zh != wanted.reason.en
    keeper.acted("l3", 0.0)
    assert keeper.look(15.0, RUSH, three("serving", "closed", "serving"), ()) == []  # it cools down
    assert wishes(keeper.look(61.0, RUSH, three("serving", "closed", "serving"), ())) == [("open_lane", "l2")]


def test_a_lane_that_staff_ordered_is_left_alone_and_they_are_asked_instead() -> None:
    keeper = LaneKeeper("g", SETTINGS)
    assert keeper.look(0.0, RUSH, three("serving", "serving", "closed"), {"l3"}) == []  # it may be a moment only
    assert wishes(keeper.look(60.0, RUSH, three("serving", "serving", "closed"), {"l3"})) == [("ask_staff", "")]
    (asked,) = keeper.look(75.0, RUSH, three("serving", "serving", "faulted"), ())
    assert asked.wish == "ask_staff"
    assert "1 out of order" in asked.reason.en
    assert keeper.look(90.0, CALM, three("serving", "serving", "faulted"), ()) == []
    assert keeper.look(105.0, RUSH, three("serving", "serving", "faulted"), ()) == []  # and it begins anew
    calm = LaneKeeper("g", SETTINGS)
    for now_s in range(0, 400, 15):
        assert ("close_lane", "l3") not in wishes(calm.look(now_s, CALM, three(), {"l3"}))


def test_a_lane_with_a_guest_does_not_close_and_the_last_one_never() -> None:
    keeper = LaneKeeper("g", SETTINGS)
    busy = [lane("l1"), lane("l2", waiting=1), lane("l3", busy=True)]
    assert all(keeper.look(now_s, CALM, busy[1:], ()) == [] for now_s in range(0, 900, 15))
    alone = LaneKeeper("g", SETTINGS)
    assert all(alone.look(now_s, CALM, three("serving", "spared", "closed"), ()) == [] for now_s in range(0, 900, 15))


def test_when_no_lane_serves_one_opens_without_cooling_down() -> None:
    keeper = LaneKeeper("g", SETTINGS)
    keeper.acted("l3", 0.0)
    assert wishes(keeper.look(1.0, CALM, three("faulted", "faulted", "closed"), ())) == [("open_lane", "l3")]


def test_a_blind_gate_gets_every_spared_lane_back_and_nothing_else() -> None:
    for age_s in (61.0, inf):
        keeper = LaneKeeper("g", SETTINGS)
        blind = replace(CALM, age_s=age_s)
        assert wishes(keeper.look(0.0, blind, three("serving", "closed", "spared"), ())) == [("open_lane", "l3")]


def test_an_idle_fast_lane_takes_others_while_they_wait_and_is_kept_again_only_while_nobody_stands_there() -> None:
    keeper = LaneKeeper("g", SETTINGS)
    standard = three("serving", "serving", "serving")
    idle = lane("fast", lane_class="fast")
    queue = replace(CALM, queue=200.0, arriving_per_s=0.8)
    assert wishes(keeper.look(0.0, queue, [*standard, idle], ())) == [("share_fast_lane", "fast")]
    assert keeper.look(1.0, queue, [*standard, idle._replace(waiting=2)], ()) == []
    assert keeper.look(2.0, queue, [*standard, idle], {"fast"}) == []
    keeper.acted("fast", 3.0)
    shared = idle._replace(admits=frozenset({"standard"}))
    assert keeper.look(60.0, CALM, [*standard, shared], ()) == []  # its dwell
    assert wishes(keeper.look(304.0, CALM, [*standard, shared], ())) == [("keep_fast_lane", "fast")]
    assert keeper.look(305.0, CALM, [*standard, shared._replace(busy=True)], ()) == []


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_comes_no_wish_closes_a_last_lane_a_lane_with_a_guest_or_one_of_staff(data: st.DataObject) -> None:
    keeper = LaneKeeper("g", SETTINGS)
    now_s = 0.0
    for _ in range(data.draw(st.integers(1, 8))):
        now_s += data.draw(st.floats(0, 1_000))
        states = st.sampled_from(["serving", "closed", "spared", "faulted"])
        lanes = [
            lane(
                f"l{number}", data.draw(states), waiting=data.draw(st.none() | st.integers(0, 2)), busy=data.draw(st.booleans())
            )
            for number in range(data.draw(st.integers(1, 4)))
        ]
        estimate = replace(CALM, queue=data.draw(st.floats(0, 1e4)), arriving_per_s=data.draw(st.floats(0, 10)))
        alone = data.draw(st.sets(st.sampled_from(["l0", "l1", "l2", "l3"])))
        by_id = {one.lane_id: one for one in lanes}
        for wanted in keeper.look(now_s, estimate, lanes, alone):
            if wanted.lane_id:
                assert wanted.lane_id not in alone
            if wanted.wish == "close_lane":
                closing = by_id[wanted.lane_id]
                assert closing.serving
                assert not closing.busy
                assert not closing.waiting
                assert sum(one.serving for one in lanes) > 1
            if wanted.wish == "open_lane":
                assert by_id[wanted.lane_id].closed
            if data.draw(st.booleans()):
                keeper.acted(wanted.lane_id, now_s)
