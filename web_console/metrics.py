"""`/metrics` in Prometheus' text format: the gates' figures as the feed counts them, and this process.

A registry of our own, filled anew at each scrape: nothing is counted here, so nothing can differ from what the feed says.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, get_args

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from orchestrator.people import SensorReading
from resort.alarms import KINDS
from resort.crowd import AreaView, CrowdControl, ModelView
from resort.errors import SnowgateError
from resort.figures import FaceFigures, Histogram, SiteFigures
from resort.ports import FeedSource
from resort.site import Severity
from web_console.callers import ANYONE
from web_console.routes import Call, Route

_log = logging.getLogger(__name__)

# Every state a lane can be in (resort/feed.py, LaneView.state): each has a series for each lane, so that none vanishes.
LANE_STATES = ("starting", "ready", "awaiting_passage", "closed", "exit", "faulted", "released", "unserved")
FIGURES_LIMIT_S = 2.0
FaceSource = Callable[[], Awaitable[Sequence[FaceFigures | None]]]


class WebhookFigures(NamedTuple):
    """One webhook by its place in the site file, from 1: what it took since the start, and whether it refuses now."""

    number: int
    host: str
    delivered: int
    failing: bool


class ConsoleFigures:
    """What the console itself knows; read at scrape time."""

    def __init__(
        self,
        clients: Callable[[], int],
        conflations: Callable[[], int],
        webhooks: Callable[[], list[WebhookFigures]] = list,
        people: Callable[[], list[SensorReading]] = list,
    ) -> None:
        self.clients = clients
        self.conflations = conflations
        self.webhooks = webhooks
        self.people = people


class SiteCollector:
    """Makes metric families of the figures last set. Set and collect happen in one step of the event loop."""

    def __init__(self, console: ConsoleFigures) -> None:
        self._console = console
        self.figures: SiteFigures | None = None
        self.faces: Sequence[FaceFigures | None] = ()
        self.models: Sequence[ModelView] = ()
        self.areas: Sequence[AreaView] = ()

    def collect(self) -> Iterator[Metric]:
        """All families; without figures (feed away) only the console's own."""
        yield GaugeMetricFamily(
            "snowgate_feed_up", "Whether the live feed answered this scrape.", float(self.figures is not None)
        )
        yield GaugeMetricFamily("snowgate_console_clients", "Open live feed sockets.", float(self._console.clients()))
        yield CounterMetricFamily(
            "snowgate_console_conflations", "Times a slow console was sent a snapshot in place of deltas.",
            float(self._console.conflations()),
        )  # fmt: skip
        yield from _webhooks(self._console.webhooks())
        yield from _people(self._console.people())
        if self.figures is not None:
            yield from self._site(self.figures)
        if self.faces:
            yield from _faces(self.faces)
        yield from _models(self.models)
        yield from _areas(self.areas)

    def _site(self, figures: SiteFigures) -> Iterator[Metric]:
        yield _histogram("snowgate_lane_decision_seconds", "Code read to verdict stored.", figures.decision)
        yield _histogram("snowgate_scan_to_open_seconds", "Frame received to pulse acknowledged.", figures.scan_to_open)
        yield _counter("snowgate_passages", "Confirmed entries.", ["lane"], _by_lane(figures.passages))
        yield _counter("snowgate_grants", "Grants issued.", ["lane"], _by_lane(figures.grants))
        yield _counter("snowgate_grants_released", "Grants whose arm did not turn.", ["lane"], _by_lane(figures.released))
        yield _counter("snowgate_grants_unknown", "Grants of unknown outcome.", ["lane"], _by_lane(figures.unknown))
        refusals = sorted(figures.refusals.items())
        yield _counter("snowgate_refusals", "Refused scans by reason code.", ["lane", "reason"], refusals)
        states = GaugeMetricFamily("snowgate_lane_state", "1 for the state a lane is in.", labels=["lane", "state"])
        for lane, current in sorted(figures.lane_states.items()):
            for state in LANE_STATES:
                states.add_metric([lane, state], float(state == current))
        yield states
        alarms = GaugeMetricFamily("snowgate_alarms_open", "Open alarms.", labels=["severity"])
        for severity in get_args(Severity):  # each has a series, so that none vanishes
            alarms.add_metric([severity], figures.open_alarms.get(severity, 0))
        yield alarms
        raised = [((kind,), figures.alarms_raised.get(kind, 0)) for kind in KINDS]
        yield _counter("snowgate_alarm_raised", "Alarms raised.", ["kind"], raised)
        yield _histogram(
            "snowgate_code_drift_seconds", "Phones' clocks less the lanes', by rotating codes.", figures.code_drift
        )


class MetricsPage:
    """The handler of `/metrics`."""

    def __init__(
        self,
        source: FeedSource,
        console: ConsoleFigures,
        faces: FaceSource | None = None,
        crowd: CrowdControl | None = None,
    ) -> None:
        """`faces`: asks the inference actors of a site that has them; `crowd`: knows how learned models stand."""
        self._source = source
        self._faces = faces
        self._crowd = crowd
        self._collector = SiteCollector(console)
        self._registry = CollectorRegistry()
        self._registry.register(self._collector)
        ProcessCollector(registry=self._registry)

    def routes(self) -> list[Route]:
        """This part of the table."""
        return [Route("GET", "/metrics", self.scrape, ANYONE, "Figures in Prometheus' text format", answer="text/plain")]

    async def scrape(self, call: Call) -> web.Response:
        """Ask the feed for its figures and render them; with the feed away, say so and give the console's own only."""
        figures: SiteFigures | None = None
        try:
            async with asyncio.timeout(FIGURES_LIMIT_S):
                figures = await self._source.figures()
        except (SnowgateError, TimeoutError) as error:
            _log.debug("no figures for this scrape: %r", error)
        faces = await self._faces() if self._faces is not None else ()
        models, areas = await self._crowd_figures()
        self._collector.figures, self._collector.faces = figures, faces
        self._collector.models, self._collector.areas = models, areas
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _crowd_figures(self) -> tuple[Sequence[ModelView], Sequence[AreaView]]:
        if self._crowd is not None:
            with contextlib.suppress(SnowgateError, TimeoutError):
                async with asyncio.timeout(FIGURES_LIMIT_S):
                    view = await self._crowd.view()
                return view.models, view.areas
        return (), ()


def _webhooks(hooks: list[WebhookFigures]) -> Iterator[Metric]:
    delivered = [((str(hook.number), hook.host), hook.delivered) for hook in hooks]
    yield _counter("snowgate_webhook_delivered", "Events of alarms that a webhook took.", ["webhook", "host"], delivered)
    failing = GaugeMetricFamily("snowgate_webhook_failing", "1 while a webhook takes nothing.", labels=["webhook", "host"])
    for hook in hooks:
        failing.add_metric([str(hook.number), hook.host], float(hook.failing))
    yield failing


def _people(sensors: list[SensorReading]) -> Iterator[Metric]:
    """A sensor of which nothing was heard has an age only."""
    heard = [((sensor.name, sensor.gate_id), sensor.count) for sensor in sensors if sensor.count is not None]
    labels = ["sensor", "gate"]
    yield _counter("snowgate_people_entered", "Persons in.", labels, [(key, count.entered) for key, count in heard])
    yield _counter("snowgate_people_left", "Persons out.", labels, [(key, count.left) for key, count in heard])
    waiting = GaugeMetricFamily("snowgate_people_waiting", "Persons in the queue.", labels=labels)
    for key, count in heard:
        if count.waiting is not None:
            waiting.add_metric(list(key), count.waiting)
    age = GaugeMetricFamily("snowgate_people_sensor_silent_seconds", "Since a sensor's last message.", labels=labels)
    for sensor in sensors:
        age.add_metric([sensor.name, sensor.gate_id], sensor.silent_s)
    yield from (waiting, age)


def _faces(actors: Sequence[FaceFigures | None]) -> Iterator[Metric]:
    """One inference actor after the other, by its shard; who does not answer has nothing but a 0 in `up`."""
    up = GaugeMetricFamily("snowgate_inference_up", "Whether an inference actor answered this scrape.", labels=["shard"])
    ready = GaugeMetricFamily("snowgate_gallery_up", "Whether a shard of the gallery is whole.", labels=["shard"])
    holders = GaugeMetricFamily("snowgate_gallery_holders", "Holders who can be found today.", labels=["shard"])
    calls = HistogramMetricFamily("snowgate_inference_seconds", "Calls, waiting included.", labels=["shard", "call"])
    for shard, figures in enumerate(actors):
        up.add_metric([str(shard)], float(figures is not None))
        if figures is None:
            continue
        ready.add_metric([str(shard)], float(figures.holders is not None))
        holders.add_metric([str(shard)], float(figures.holders or 0))
        for call, histogram in sorted(figures.calls.items()):
            calls.add_metric([str(shard), call], _buckets(histogram), sum_value=histogram.sum_ms / 1000)
    refused = [((str(shard),), figures.refused) for shard, figures in enumerate(actors) if figures is not None]
    yield from (up, ready, holders, calls)
    yield _counter("snowgate_inference_refused", "Calls for which the line was full.", ["shard"], refused)


def _models(models: Sequence[ModelView]) -> Iterator[Metric]:
    """A model that runs, and its drift as soon as enough was seen."""
    up = GaugeMetricFamily("snowgate_model_up", "1 while a learned model runs.", labels=["use"])
    drift = GaugeMetricFamily("snowgate_model_drift_ratio", "Drift of a learned model.", labels=["use", "model"])
    drifted = GaugeMetricFamily("snowgate_model_drifted", "1 while a model's drift is over its threshold.", labels=["use"])
    for view in models:
        up.add_metric([view.use], float(view.model != ""))
        drifted.add_metric([view.use], float(view.drifted))
        if view.drift is not None:
            drift.add_metric([view.use, view.model], view.drift)
    yield from (up, drift, drifted)


def _areas(areas: Sequence[AreaView]) -> Iterator[Metric]:
    """How full areas are; one of which nothing is known has its limit only."""
    persons = GaugeMetricFamily("snowgate_area_persons", "Persons in an area.", labels=["area"])
    limit = GaugeMetricFamily("snowgate_area_limit_persons", "As many as it should hold.", labels=["area"])
    for view in areas:
        limit.add_metric([view.area_id], float(view.limit))
        if view.persons is not None:
            persons.add_metric([view.area_id], float(view.persons))
    yield from (persons, limit)


def _by_lane(values: dict[str, int]) -> list[tuple[tuple[str], int]]:
    return [((lane,), number) for lane, number in sorted(values.items())]


def _counter(name: str, text: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], int]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, number in values:
        family.add_metric(list(key), number)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(name, text)
    family.add_metric([], _buckets(histogram), sum_value=histogram.sum_ms / 1000)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """As Prometheus counts: cumulatively and in seconds."""
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound_ms, count in zip([*histogram.bounds_ms, None], histogram.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound_ms is None else repr(bound_ms / 1000), total))
    return buckets
