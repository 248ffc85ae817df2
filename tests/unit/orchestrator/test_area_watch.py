"""Areas: counted at doors and before gates, warned of in time, unknown rather than wrong, and remembered over a restart."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.area_watch import TREND_LEAST_S, AreaWatch, AreaWatches
from orchestrator.gate_sense import GateEstimate
from resort.alarm_levels import SensorSight
from resort.crowd import AreaSite, AreaView, CrowdSite
from resort.ids import GateId
from resort.texts import Text

DAY, NEXT = date(2026, 12, 5), date(2026, 12, 6)
HALL = AreaSite("hall", Text("大厅", "Hall"), 200, sensors=["east", "west"])
GROUND = AreaSite("ground", Text("闸前", "Before the gate"), 50, gates=[GateId("village")])
QUEUE = GateEstimate(3, 0.25, 30.0, 6.0, 1.0, 0.05, 45.0, 8.0, 0.0)


def doors(east: tuple[int, int], west: tuple[int, int] = (0, 0), silent_s: float = 1.0) -> list[SensorSight]:
    return [
        SensorSight("east", "", silent_s, east[0], None, east[1]),
        SensorSight("west", "", 1.0, west[0], None, west[1]),
    ]


class Hall:
    """The hall at a look each 15 s."""

    def __init__(self, site: AreaSite = HALL) -> None:
        self.watch, self.now_s = AreaWatch(site, 60.0), 0.0
        self.see(doors((1_000, 900)))  # where counting begins: whoever is there already is not known

    def see(self, sensors: list[SensorSight], day: date = DAY) -> AreaView:
        self.now_s += 15
        return self.watch.see(sensors, lambda gate_id: None, day, self.now_s)


def test_persons_are_those_who_came_and_did_not_leave() -> None:
    hall = Hall()
    view = hall.see(doors((1_060, 905), (20, 5)))
    assert (view.persons, view.level, view.limit) == (60 - 5 + 20 - 5, "calm", 200)
    assert view.persons_sd == 1.3  # the root of 2 % of 90
    assert hall.see(doors((1_060, 1_200), (20, 5))).persons == 0, "who was missed on the way in is no negative person"


def test_it_warns_at_a_share_and_again_only_after_it_was_left_clearly() -> None:
    hall = Hall()
    for _ in range(10):
        assert hall.see(doors((1_159, 900))).level in ("calm", "filling")  # it came at once: that is a fast rise
    left = ((159, 0), (160, 0), (160, 5), (160, 9), (160, 11), (199, 11), (211, 11), (211, 20), (211, 22))
    levels = [hall.see(doors((1_000 + came, 900 + went))).level for came, went in left]
    assert levels == ["filling", "filling", "filling", "filling", "calm", "filling", "full", "full", "filling"]


def test_it_warns_before_the_share_when_it_fills_fast_and_says_when() -> None:
    hall = Hall()
    views = [hall.see(doors((1_000 + 20 * step, 900))) for step in range(1, 7)]
    assert TREND_LEAST_S == 30
    assert [view.level for view in views] == ["calm"] * 4 + ["filling"] * 2
    assert views[-1].persons == 120
    assert views[-1].per_min == 80.0
    assert views[-1].full_in_s == 60


def test_a_slow_rise_far_from_the_limit_is_no_warning() -> None:
    hall = Hall()
    views = [hall.see(doors((1_000 + 12 * step, 900))) for step in range(1, 8)]
    assert {view.level for view in views} == {"calm"}


def test_a_door_that_is_silent_makes_it_unknown_and_takes_no_warning_back() -> None:
    hall = Hall()
    assert hall.see(doors((1_170, 900))).level == "filling"
    view = hall.see(doors((1_170, 1_060), silent_s=61))
    assert (view.persons, view.level) == (None, "filling")
    assert hall.see(doors((1_170, 1_060))).persons == 10, "what passed meanwhile counts when it is told"
    assert hall.see([]).persons is None


def test_a_sensor_that_began_anew_is_counted_on() -> None:
    hall = Hall()
    hall.see(doors((1_050, 900)))
    assert hall.see(doors((7, 2))).persons == 55


def test_the_day_begins_with_nobody_there_and_a_restart_within_it_does_not() -> None:
    hall = Hall()
    hall.see(doors((1_080, 900)))
    kept = hall.watch.count
    assert kept is not None
    assert (kept.inside, kept.passed) == (80, 80)
    again = AreaWatches(CrowdSite(areas=[HALL, GROUND]))
    again.begin([kept])
    (view, _) = again.see(doors((1_080, 900)), lambda gate_id: None, DAY, 0.0)
    assert view.persons == 80
    assert again.counts == [kept]
    (view, _) = again.see(doors((1_080, 900)), lambda gate_id: None, NEXT, 15.0)
    assert view.persons == 0


def test_guests_before_a_gate_count_and_a_blind_gate_makes_it_unknown() -> None:
    watch = AreaWatch(GROUND, 60.0)
    view = watch.see([], {"village": QUEUE}.get, DAY, 0.0)
    assert (view.persons, view.persons_sd, view.level) == (30, 6.0, "calm")
    assert watch.see([], lambda gate_id: None, DAY, 15.0).persons is None
    assert watch.count is None


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=40))
def test_persons_are_never_negative_and_the_level_is_that_of_the_number(steps: list[tuple[int, int]]) -> None:
    watch, entered, left = AreaWatch(HALL, 60.0), 0, 0
    for step, (came, went) in enumerate(steps):
        entered, left = entered + came, left + went
        view = watch.see(doors((entered, left)), lambda gate_id: None, DAY, 15.0 * step)
        assert view.persons is not None
        assert view.persons >= 0
        assert view.level == "full" or view.persons < HALL.limit
        assert view.level != "full" or view.persons > 0.95 * HALL.limit - 1
