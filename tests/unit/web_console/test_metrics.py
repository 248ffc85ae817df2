"""`/metrics` is what Prometheus reads: parsed by its own parser, and equal to the feed's figures."""

from collections.abc import Sequence
from typing import cast

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from resort.crowd import AreaView, CrowdControl, CrowdView, ModelView
from resort.figures import FaceFigures, SiteFigures
from resort.texts import Text
from tests.unit.web_console.fakes import FakeResort
from web_console.metrics import ConsoleFigures, MetricsPage
from web_console.routes import Call


async def scrape(client: aiohttp.ClientSession) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    async with client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        return samples(await answer.read())


def samples(body: object) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    assert isinstance(body, bytes)
    families = text_string_to_metric_families(body.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples
    }


@pytest.fixture
def figures(resort: FakeResort) -> SiteFigures:
    figures = resort.feed.counts
    figures.grants.update({"village-1": 3})
    figures.passages.update({"village-1": 2, "north-1": 5})
    figures.refusals.update({("village-1", "already_used"): 4, ("north-1", "wrong_day"): 1})
    figures.lane_states.update({"village-1": "ready", "north-1": "faulted"})
    figures.open_alarms.update({"warning": 2})
    figures.alarms_raised.update({"forced_arm": 3})
    figures.code_drift.observe(-15_000.0)
    for value_ms in (0.4, 0.5, 4.0, 99_999.0):
        figures.decision.observe(value_ms)
    figures.scan_to_open.observe(25.0)
    return figures


async def test_counters_and_states(client: aiohttp.ClientSession, figures: SiteFigures) -> None:
    seen = await scrape(client)
    assert seen["snowgate_passages_total", (("lane", "north-1"),)] == 5
    assert seen["snowgate_grants_total", (("lane", "village-1"),)] == 3
    assert seen["snowgate_refusals_total", (("lane", "village-1"), ("reason", "already_used"))] == 4
    assert seen["snowgate_lane_state", (("lane", "north-1"), ("state", "faulted"))] == 1
    assert seen["snowgate_lane_state", (("lane", "north-1"), ("state", "ready"))] == 0
    assert sum(value for (name, _), value in seen.items() if name == "snowgate_lane_state") == 2
    assert seen["snowgate_alarms_open", (("severity", "warning"),)] == 2
    assert seen["snowgate_alarms_open", (("severity", "critical"),)] == 0
    assert seen["snowgate_alarm_raised_total", (("kind", "forced_arm"),)] == 3
    assert seen["snowgate_alarm_raised_total", (("kind", "tailgating"),)] == 0
    assert seen["snowgate_feed_up", ()] == 1
    assert seen["snowgate_console_clients", ()] == 0
    assert seen["process_open_fds", ()] > 0


async def test_histograms_are_cumulative_and_in_seconds(client: aiohttp.ClientSession, figures: SiteFigures) -> None:
    seen = await scrape(client)
    name = "snowgate_lane_decision_seconds"
    assert seen[f"{name}_bucket", (("le", "0.0005"),)] == 2, "a bound is inclusive"
    assert seen[f"{name}_bucket", (("le", "0.005"),)] == 3
    assert seen[f"{name}_bucket", (("le", "1.0"),)] == 3
    assert seen[f"{name}_bucket", (("le", "+Inf"),)] == 4
    assert seen[f"{name}_count", ()] == 4
    assert seen[f"{name}_sum", ()] == pytest.approx(100.0039)
    assert seen["snowgate_code_drift_seconds_bucket", (("le", "-30.0"),)] == 0
    assert seen["snowgate_code_drift_seconds_bucket", (("le", "-15.0"),)] == 1
    assert seen["snowgate_scan_to_open_seconds_bucket", (("le", "0.03"),)] == 1
    assert seen["snowgate_scan_to_open_seconds_bucket", (("le", "0.02"),)] == 0


async def test_each_scrape_shows_the_figures_of_now(client: aiohttp.ClientSession, figures: SiteFigures) -> None:
    await scrape(client)
    figures.passages["village-1"] += 1
    assert (await scrape(client))["snowgate_passages_total", (("lane", "village-1"),)] == 3


async def test_inference_actors_are_told_by_shard(resort: FakeResort) -> None:
    """The second one does not answer, the third one's shard is not whole."""
    busy, partial = FaceFigures(holders=120, refused=2), FaceFigures()
    busy.observe("compare", 45.0)
    busy.observe("compare", 70.0)

    async def figures() -> list[FaceFigures | None]:
        return [busy, None, partial]

    page = MetricsPage(resort.feed, ConsoleFigures(lambda: 0, lambda: 0), figures)
    seen = samples((await page.scrape(cast(Call, None))).body)
    up = [seen["snowgate_inference_up", (("shard", str(shard)),)] for shard in range(3)]
    whole = [seen.get(("snowgate_gallery_up", (("shard", str(shard)),))) for shard in range(3)]
    assert (up, whole) == ([1, 0, 1], [1, None, 0])
    assert seen["snowgate_gallery_holders", (("shard", "0"),)] == 120
    assert seen["snowgate_inference_refused_total", (("shard", "0"),)] == 2
    compared = (("call", "compare"), ("shard", "0"))
    assert seen["snowgate_inference_seconds_count", compared] == 2
    assert seen["snowgate_inference_seconds_bucket", (compared[0], ("le", "0.06"), compared[1])] == 1


async def test_a_site_without_faces_has_no_figures_of_them(client: aiohttp.ClientSession, figures: SiteFigures) -> None:
    assert not [name for name, _ in await scrape(client) if "inference" in name or "gallery" in name]


class Brain:
    """A crowd brain that is asked how its models stand."""

    def __init__(self, models: list[ModelView], areas: Sequence[AreaView] = ()) -> None:
        self._models, self._areas = models, list(areas)

    async def view(self) -> CrowdView:
        return CrowdView("advise", None, "", [], [], [], [], models=self._models, areas=self._areas)


async def test_learned_models_tell_their_drift_as_soon_as_they_know_it(resort: FakeResort) -> None:
    brain = Brain([ModelView("arrivals", "demand-hour@1", 1.32, 1.0, 90, drifted=True), ModelView("scans", "", None, 4.0, 0)])
    page = MetricsPage(resort.feed, ConsoleFigures(lambda: 0, lambda: 0), crowd=cast(CrowdControl, brain))
    seen = samples((await page.scrape(cast(Call, None))).body)
    assert seen["snowgate_model_drift_ratio", (("model", "demand-hour@1"), ("use", "arrivals"))] == 1.32
    assert [seen["snowgate_model_up", (("use", use),)] for use in ("arrivals", "scans")] == [1, 0]
    assert [seen["snowgate_model_drifted", (("use", use),)] for use in ("arrivals", "scans")] == [1, 0]
    assert len([name for name, _ in seen if name == "snowgate_model_drift_ratio"]) == 1


async def test_areas_tell_how_full_they_are_if_they_know(resort: FakeResort) -> None:
    name = Text("大厅", "Hall")
    areas = [
        AreaView("hall", name, 200, "filling", 163, 2.2, 12.0, 178.0),
        AreaView("roof", name, 90, "calm", None, None, None, None),
    ]
    page = MetricsPage(resort.feed, ConsoleFigures(lambda: 0, lambda: 0), crowd=cast(CrowdControl, Brain([], areas)))
    seen = samples((await page.scrape(cast(Call, None))).body)
    assert seen["snowgate_area_persons", (("area", "hall"),)] == 163
    assert [seen["snowgate_area_limit_persons", (("area", area),)] for area in ("hall", "roof")] == [200, 90]
    assert ("snowgate_area_persons", (("area", "roof"),)) not in seen


async def test_labels_are_escaped(client: aiohttp.ClientSession, figures: SiteFigures) -> None:
    odd = 'lane "1"\\\nnext'
    figures.passages[odd] = 1
    assert (await scrape(client))["snowgate_passages_total", (("lane", odd),)] == 1


async def test_without_the_feed_the_scrape_says_so(
    client: aiohttp.ClientSession, figures: SiteFigures, resort: FakeResort
) -> None:
    await resort.feed.go_away()
    seen = await scrape(client)
    assert seen["snowgate_feed_up", ()] == 0
    assert not any(name.startswith("snowgate_passages") for name, _ in seen)
    assert seen["process_open_fds", ()] > 0
