"""The real-time mode of `snowgate sim`: a small resort's busiest minutes through a real site's doors, and nothing is lost."""

import pytest

from sim.mountain.real_load import run_real
from sim.mountain.real_report import real_report_page
from sim.mountain.resort_day import ResortDay
from tests.unit.sim.mountain.small_resort import TREE, small


@pytest.mark.realtime
@pytest.mark.timeout(400)
async def test_the_busiest_minutes_of_a_day_pass_through_a_real_site() -> None:
    gates = [{**TREE["gates"][0], "lanes": 2, "fast_lanes": 0}, TREE["gates"][2]]  # type: ignore[index]
    day = ResortDay(small(gates=gates), 1).play()
    shares: list[float] = []
    played = await run_real(day, 10.0, 5.0, lambda text: None, shown=shares.append)
    figures = played.found.figures
    assert figures["lanes"] == 4
    assert figures["presented"] == figures["guests"] > 3
    assert figures["turns"] == figures["passages"] > 0
    assert figures["lost_passages"] == figures["invented_passages"] == figures["duplicates"] == 0
    assert figures["decision_p99_ms"] > 0
    assert 0 < figures["shop_order_p50_ms"] <= figures["shop_order_p99_ms"]
    assert shares[-1] == 1.0
    assert played.bottleneck.en.startswith("Bottleneck: ")
    assert sum(piece.passages for piece in played.course) == figures["passages"]
    page = real_report_page(day.scene, played)
    assert page.count("<svg") >= 3
    assert played.bottleneck.zh in page
