"""The bench of bad neighbours, short: it measures every cell, and it can fail."""

import pytest

from benchmarks import lanes
from benchmarks.lanes import FAULTS, LINES, SlowedDown, measure


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "ONSET_S", 0.5)
    monkeypatch.setattr(lanes, "LINES", ("rtu",))
    monkeypatch.setattr(lanes, "FAULTS", ("silent",))


async def test_every_cell_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "BAR_MS", 60_000.0)
    told: list[str] = []
    outcome = await measure(1, 1.5, told.append)
    assert len(told) == 1
    assert outcome.figures["rtu_silent_status_p99_ms"] > 0
    assert outcome.figures["rtu_silent_onset_max_ms"] > 0
    assert outcome.figures["rtu_silent_orders_failed"] == 0
    assert set(outcome.ratios) == {"rtu_silent_status_added_over_bar", "rtu_silent_order_added_over_bar"}


async def test_a_neighbour_that_costs_too_much_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "BAR_MS", -60_000.0)
    with pytest.raises(SlowedDown, match="rtu_silent status"):
        await measure(1, 1.0, lambda _: None)


def test_the_cells_are_those_that_the_documents_name() -> None:
    assert LINES == ("own", "shared", "rtu")
    assert FAULTS == ("silent", "slow", "half", "spoilt")
