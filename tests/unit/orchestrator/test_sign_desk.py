"""What displays name: shares in turns, one name for a while, never a closed gate, staff first."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from orchestrator.lane_keeper import Wanted
from orchestrator.sign_desk import SignDesk, order_ends
from resort.crowd import CrowdMode, CrowdSite, SignSite, SignView
from resort.ids import GateId
from resort.texts import Text

AT = datetime(2026, 12, 5, 1, 0, tzinfo=UTC)
PARK = SignSite("park", Text("停车场", "Car park"), {GateId("a"): 60, GateId("b"): 90}, display="tcp://127.0.0.1:1")
PLAIN = SignSite("square", Text("广场", "Square"), {GateId("a"): 60})
BOTH = {"a": True, "b": True}


class Sign:
    """The car park's display, a look each 15 s."""

    def __init__(self) -> None:
        self.desk, self.now_s = SignDesk(CrowdSite(signs=[PARK, PLAIN])), 0.0

    def look(self, mode: CrowdMode = "automatic", is_open: dict[str, bool] = BOTH, **shares: float) -> list[Wanted]:
        self.now_s += 15
        view = SignView("park", PARK.name, "a", shares)
        at = AT + timedelta(seconds=self.now_s)
        return self.desk.look(self.now_s, at, mode, {"park": view} if shares else {}, is_open)

    @property
    def names(self) -> str:
        return self.desk.names()["park"]


def test_over_time_each_gate_is_named_for_its_share_and_never_for_less_than_the_dwell() -> None:
    sign, named = Sign(), []
    for _ in range(4 * 60 * 4):  # four hours
        assert sign.look(a=0.7, b=0.3) == []
        named.append(sign.names)
    share = Counter(named)["a"] / len(named)
    assert 0.65 <= share <= 0.75
    runs = "".join(named).replace("ab", "a b").replace("ba", "b a").split()
    assert min(map(len, runs[:-1])) >= CrowdSite().sign_dwell_s / 15


def test_a_share_of_nothing_much_is_not_worth_a_change() -> None:
    sign = Sign()
    for _ in range(200):
        sign.look(a=0.9, b=0.1)
        assert sign.names == "a"


def test_a_gate_that_closes_is_named_no_more_at_once() -> None:
    sign = Sign()
    sign.look(a=1.0)
    assert sign.names == "a"
    sign.look(is_open={"a": False, "b": True}, a=0.6, b=0.4)
    assert sign.names == "b"
    sign.look(is_open={"a": False, "b": False}, a=0.6, b=0.4)
    assert sign.names == ""


def test_staff_are_asked_and_only_for_what_is_clearly_better() -> None:
    sign = Sign()
    (wanted,) = sign.look("confirm", a=0.7, b=0.3)
    assert (wanted.wish, wanted.gate_id, wanted.sign_id, wanted.key) == ("name_gate", "a", "park", ("name_gate", "a", "park"))
    assert (sign.names, "70%" in wanted.reason.en) == ("", True)
    sign.desk.accept("park", "a", sign.now_s)
    for _ in range(20):
        assert sign.look("confirm", a=0.45, b=0.55) == []
    assert [one.gate_id for one in sign.look("confirm", a=0.3, b=0.7)] == ["b"]
    assert sign.names == "a"


def test_only_advised_or_without_advice_it_is_blank() -> None:
    sign = Sign()
    sign.look(a=1.0)
    assert sign.look("advise", a=1.0) == []
    assert sign.names == ""
    sign.look(a=1.0)
    sign.look()
    assert sign.names == ""


def test_staff_say_what_it_names_for_a_time() -> None:
    sign = Sign()
    sign.look(a=1.0)
    sign.desk.order("park", "b", order_ends(AT + timedelta(seconds=sign.now_s), 1))
    assert sign.names == "b"
    assert sign.desk.ordered_until("park") == AT + timedelta(seconds=75)
    for _ in range(3):
        sign.look(a=1.0)
        assert sign.names == "b"
    sign.look(a=1.0)
    assert (sign.names, sign.desk.ordered_until("park")) == ("a", None)
    sign.desk.order("park", "", order_ends(AT, 60))
    assert sign.names == ""
    sign.desk.release("park")
    assert sign.names == "a"


def test_a_sign_without_a_display_is_not_driven() -> None:
    desk = SignDesk(CrowdSite(signs=[PLAIN]))
    assert "square" not in desk
    assert desk.names() == {}
    assert desk.ordered_until("square") is None
