"""The plan of a load: the same for the same order, and every kind of guest what its name says."""

from collections import Counter
from itertools import groupby

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.stages import LoadMix, LoadOrder
from resort.errors import Invalid
from sim.load_plan import AGAIN_REST_MS, Visit, plan_load, tickets_wanted

LANES = [f"lane-{number}" for number in range(10)]
EVERYTHING = LoadMix(blocked=3.0)


def order(seed: int = 1, scans: int = 3_000, mix: LoadMix = EVERYTHING, rate: float = 100.0) -> LoadOrder:
    return LoadOrder("truth.jsonl", rate, scans, seed, mix)


def only(kind: str, honest: float = 0.0) -> LoadMix:
    nothing = {name: 0.0 for name in msgspec.structs.asdict(LoadMix())}
    return LoadMix(**(nothing | {"honest": honest, kind: 1.0}))


def test_the_same_order_is_the_same_plan() -> None:
    assert plan_load(order(), LANES) == plan_load(order(), LANES)
    assert plan_load(order(seed=2), LANES) != plan_load(order(), LANES)


@pytest.mark.parametrize("scans", [1, 2, 501])
def test_so_many_scans_were_asked_for_and_so_many_come(scans: int) -> None:
    for mix in (EVERYTHING, only("twin")):
        visits = plan_load(order(scans=scans, mix=mix), LANES)
        assert [visit.guest for visit in visits] == list(range(1, scans + 1))


def test_guests_come_at_the_rate_in_the_order_of_time_to_all_lanes() -> None:
    visits = plan_load(order(), LANES)
    times = [visit.at_ms for visit in visits]
    assert times == sorted(times)
    assert 0.8 < len(visits) / (times[-1] / 1000) / 100.0 < 1.25  # twins come two at a time
    counts = Counter(visit.lane for visit in visits)
    assert set(counts) == set(LANES)
    assert max(counts.values()) < 2 * min(counts.values())


def test_the_mix_is_dealt_by_its_weights() -> None:
    visits = plan_load(order(scans=10_000), LANES)
    weights = msgspec.structs.asdict(EVERYTHING) | {"twin": 2 * EVERYTHING.twin}
    counts = Counter(visit.kind for visit in visits)
    for kind, weight in weights.items():
        assert counts[kind] / len(visits) == pytest.approx(weight / sum(weights.values()), rel=0.25, abs=0.005), kind


def test_an_honest_guest_has_a_ticket_that_nobody_showed_before() -> None:
    seen: set[tuple[str, int]] = set()
    for guest, same in groupby(plan_load(order(), LANES), key=lambda visit: min(visit.guest, visit.twin or visit.guest)):
        for visit in same:
            known = (visit.pool, visit.index) in seen
            assert known == visit.kind.startswith("again_") or visit.pool is None, (guest, visit)
        if visit.pool is not None:
            seen.add((visit.pool, visit.index))


def test_a_ticket_is_shown_again_where_the_kind_says() -> None:
    last: dict[int, Visit] = {}
    soon = 0
    for visit in plan_load(order(), LANES):
        before = last.get(visit.index)
        if visit.kind == "again_here":
            assert before is not None
            assert visit.lane == before.lane
            assert visit.at_ms - before.at_ms >= AGAIN_REST_MS
        elif visit.kind == "again_elsewhere":
            assert before is not None
            assert visit.lane != before.lane
            soon += visit.at_ms - before.at_ms < 500
        if visit.pool == "today":
            last[visit.index] = visit
    assert soon > 20  # while it may still be on its way through


def test_twins_show_one_fresh_ticket_at_two_lanes_at_one_moment() -> None:
    visits = plan_load(order(), LANES)
    twins = [visit for visit in visits if visit.kind == "twin"]
    assert twins
    for visit in twins:
        other = visits[visit.twin - 1]
        assert other.twin == visit.guest
        assert (other.index, other.at_ms) == (visit.index, visit.at_ms)
        assert other.lane != visit.lane


def test_pools_are_used_by_the_kinds_that_they_are_for() -> None:
    pools = {(visit.kind, visit.pool) for visit in plan_load(order(), LANES)}
    assert {kind for kind, pool in pools if pool is None} == {"forged", "not_ours"}
    assert {kind for kind, pool in pools if pool == "tomorrow"} == {"wrong_day"}
    assert {kind for kind, pool in pools if pool == "blocked"} == {"blocked"}


def test_so_many_tickets_are_wanted_as_are_shown() -> None:
    visits = plan_load(order(), LANES)
    for pool, wanted in tickets_wanted(visits).items():
        assert {visit.index for visit in visits if visit.pool == pool} == set(range(wanted))


def test_a_site_with_one_lane_has_no_twins_and_no_elsewhere() -> None:
    visits = plan_load(order(scans=500), LANES[:1])
    assert {visit.lane for visit in visits} == set(LANES[:1])
    assert not {"twin", "again_elsewhere"} & {visit.kind for visit in visits}


@pytest.mark.parametrize("kind", ["again_here", "again_elsewhere"])
def test_who_cannot_cheat_yet_is_honest(kind: str) -> None:
    assert plan_load(order(scans=20, mix=only(kind)), LANES)[0].kind == "honest"


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 4))
def test_any_seed_is_a_plan(seed: int, scans: int, lanes: int) -> None:
    visits = plan_load(order(seed, scans), LANES[:lanes])
    assert len(visits) == scans
    for visit in visits:
        assert (visit.pool is None) == bool(visit.code)
        assert 3.0 <= visit.turn_ms <= 12.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rate_per_s": 0}, "rate_per_s"),
        ({"scans": 0}, "scans"),
        ({"patience_ms": -1}, "patience_ms"),
        ({"hesitate": 1.5}, "hesitate"),
        ({"turn_ms": (5.0, 4.0)}, "turn_ms"),
        ({"mix": LoadMix(honest=-1)}, "mix"),
        ({"mix": LoadMix(*[0.0] * 8)}, "mix"),
        ({"rate_per_s": float("nan")}, "rate_per_s"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        plan_load(msgspec.structs.replace(order(), **changes), LANES)


def test_a_site_without_scanner_lanes_takes_no_load() -> None:
    with pytest.raises(Invalid, match="simulated-scanner"):
        plan_load(order(), [])
