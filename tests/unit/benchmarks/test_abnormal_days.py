"""What counts as told and as false, over looks made by hand."""

import msgspec
import pytest

from benchmarks.abnormal_days import NEVER, SeenDay, judge
from resort.scan_oddities import COLUMNS, Oddity, S
from sim.scan_attacks import KINDS, Attack

ROW = (0.0,) * len(COLUMNS)
ATTACK = Attack("shared_pass", frozenset({"ticket:a"}), 100.0, 200.0)


def look(key: str, at_s: float, rule: str = "repeated") -> Oddity:
    return Oddity(key, "g0", "g0-0", "soon", round(at_s * S), f"{key}{at_s}", rule, ROW)


def test_an_alert_with_evidence_of_the_attack_tells_it() -> None:
    day = SeenDay([look("ticket:a", 110, ""), look("ticket:a", 150)], [0, 0], [ATTACK], 100)
    outcome = judge([day], None, NEVER, rules=True)
    assert (outcome.recall, outcome.false, outcome.alerts) == (1.0, 0, 1)
    assert judge([day], None, NEVER, rules=False).recall == 0.0


@pytest.mark.parametrize(("key", "at_s"), [("ticket:b", 150.0), ("ticket:a", 50.0)])
def test_an_alert_about_another_or_at_another_time_is_false(key: str, at_s: float) -> None:
    outcome = judge([SeenDay([look(key, at_s)], [-1], [ATTACK], 100)], None, NEVER, rules=True)
    assert (outcome.recall, outcome.false_a_day) == (0.0, 1.0)


def test_a_kind_left_out_takes_its_rows_along() -> None:
    other = msgspec.structs.replace(ATTACK, kind="tailgating")
    day = SeenDay([look("ticket:a", 110), look("turns:g0", 120), look("ticket:c", 130)], [0, 1, -1], [ATTACK, other], 100)
    assert set(KINDS) > {"shared_pass"}
    assert day.without("shared_pass").tolist() == [False, True, True]
    assert day.guilty.tolist() == [1.0, 1.0, 0.0]
