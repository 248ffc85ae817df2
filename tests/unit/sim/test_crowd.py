"""Who shows what: dealt from dice, the same for the same seed, and never a code that the crowd does not have."""

import random
from collections import Counter

import pytest

from resort.access.codes import CODE_LENGTH, SiteKeys, read_code
from resort.access.reasons import Reason
from resort.clock import SystemClock
from sim.crowd import Behaviour, CodeDealer, Crowd, Showing

KEYS = SiteKeys(1, {1: b"k" * 32})


def only(behaviour: Behaviour) -> Crowd:
    return Crowd(weights=((behaviour, 1.0),))


def stocked(crowd: Crowd, seed: int = 1) -> CodeDealer:
    dealer = CodeDealer(crowd, seed)
    dealer.wallets.standard += [f"S{number}" for number in range(500)]
    dealer.wallets.fast += [f"F{number}" for number in range(500)]
    dealer.wallets.tomorrow += [f"T{number}" for number in range(50)]
    return dealer


def deals(seed: int, count: int) -> list[Showing | None]:
    dealer, dice = stocked(Crowd(), seed), random.Random(seed)
    dealt = []
    for number in range(count):
        showing = dealer.deal("a", "fast" if number % 2 else "standard", dice, float(number))
        if showing is not None and showing.behaviour == "honest" and showing.code is not None:
            dealer.went_through(showing.code, "b", float(number))
        dealt.append(showing)
    return dealt


def test_a_seed_gives_the_same_crowd() -> None:
    assert deals(3, 300) == deals(3, 300)
    assert deals(3, 300) != deals(4, 300)


def test_the_demo_crowd_is_mostly_honest_and_has_everybody_in_it() -> None:
    counts = Counter(showing.behaviour for showing in deals(5, 800) if showing is not None)
    assert 0.75 < counts["honest"] / 800 < 0.92
    assert set(counts) == {behaviour for behaviour, _ in Crowd().weights}


def test_nobody_holds_what_the_lane_would_not_accept_and_calls_it_honest() -> None:
    dealer, dice = stocked(only("honest")), random.Random(1)
    assert dealer.deal("a", "standard", dice, 0.0) == Showing("honest", "S0")
    assert dealer.deal("f", "fast", dice, 0.0) == Showing("honest", "F0")


def test_a_forged_code_looks_like_one_of_ours_and_is_not() -> None:
    showing = stocked(only("forged")).deal("a", "standard", random.Random(1), 0.0)
    assert showing is not None
    assert showing.code is not None
    assert len(showing.code) == CODE_LENGTH
    assert read_code(showing.code, KEYS, SystemClock().now().at) is Reason.FORGED_CODE


def test_a_used_code_rests_before_it_returns_to_the_lane_that_saw_it() -> None:
    crowd = only("used")
    dealer, dice = stocked(crowd), random.Random(1)
    dealer.went_through("U", "a", 100.0)
    assert dealer.deal("a", "standard", dice, 101.0) == Showing("honest", "S0")
    assert dealer.deal("b", "standard", dice, 102.0) == Showing("used", "U")
    assert dealer.deal("b", "standard", dice, 103.0) == Showing("honest", "S1")
    assert dealer.deal("a", "standard", dice, 104.0) == Showing("used", "U")
    assert dealer.deal("a", "standard", dice, 104.0 + crowd.used_rest_s) == Showing("used", "U")


@pytest.mark.parametrize("behaviour", ["used", "wrong_day", "wrong_lane"])
def test_who_cannot_cheat_yet_is_honest(behaviour: Behaviour) -> None:
    dealer = CodeDealer(only(behaviour), 1)
    dealer.wallets.fast.append("F")
    assert dealer.deal("a", "fast", random.Random(1), 0.0) == Showing("honest", "F")
    assert dealer.deal("a", "fast", random.Random(1), 0.0) is None


def test_a_standard_ticket_goes_wrong_at_the_fast_lane_only_and_is_good_afterwards() -> None:
    dealer, dice = stocked(only("wrong_lane")), random.Random(1)
    assert dealer.deal("a", "standard", dice, 0.0) == Showing("honest", "S0")
    wrong = dealer.deal("f", "fast", dice, 0.0)
    assert wrong == Showing("wrong_lane", "S1")
    dealer.give_back(wrong)
    assert dealer.wallets.standard[-1] == "S1"


def test_refused_codes_that_are_good_nowhere_do_not_come_back() -> None:
    dealer = CodeDealer(Crowd(), 1)
    for behaviour in ("used", "wrong_day", "forged", "not_ours", "honest"):
        dealer.give_back(Showing(behaviour, "X"))
    dealer.give_back(Showing("unreadable", None))
    assert not dealer.wallets.standard
