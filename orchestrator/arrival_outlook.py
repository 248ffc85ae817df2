"""How many persons each gate should see in this hour, by the demand model an hour ahead (docs/models.md).

Reads the journal's hours, at most eight weeks of them and each once, and runs the model once an hour, beside the ticks and
never in their way. Silent until the journal has four weeks, where no model can be opened, or while the last week shows that the
model errs more than "as a week ago" (drift): the senses' plain rule then stands alone.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ml_models.demand import DemandModel
from ml_models.demand_features import DAY, Series, together
from ml_models.demand_own import own_models
from resort.clock import Moment
from resort.crowd import ModelView, OutlookView
from resort.errors import DatabaseUnavailable, SnowgateError
from resort.site import Site
from storage.database import Database
from storage.lane_arrivals import first_arrival, lane_arrivals

MODEL = "demand-hour"
WEEKS = 8
WEEK = 168  # hours
PER_ROUND = WEEK  # hours that are read between two looks at the clock
DRIFT_LOOKS, DRIFT_PERSONS = 24, 200  # gates' hours with guests, and guests, from which on an error says something
DRIFTED, DRIFT_OVER = 1.0, 0.9  # times the error of "as a week ago": when it counts as drifted, and when no longer
_log = logging.getLogger("snowgate.crowd")


def open_model(folder: Path) -> DemandModel:
    """The resort's own model an hour ahead, else the shipped one. Raises InvalidConfig, PartMissing."""
    own = next((model for model in own_models(folder) if model.ahead == "hour"), None)
    return own.opened(folder) if own is not None else DemandModel.shipped(MODEL)


class Told(NamedTuple):
    """What the model says of this hour, and how it did in the week before."""

    views: list[OutlookView]
    drift: float | None
    looks: int


class ArrivalOutlook:
    """`refresh` now and then; `views` is what it said last. Made with None it says nothing, for a site that switched it off."""

    def __init__(self, site: Site, database: Database, models: Path | None) -> None:
        self.views: list[OutlookView] = []
        self._site = site
        self._gate_of = {str(lane.id): str(gate.id) for gate, lane in site.lanes() if lane.direction == "entry"}
        self._database = database
        self._models = models
        self._model: DemandModel | None = None
        self._hours: dict[datetime, dict[str, int]] = {}  # persons by gate, by the UTC moment at which the hour begins
        self._said: datetime | None = None  # the hour of which it spoke last
        self._failed = False
        self._drift: float | None = None
        self._looks = 0
        self._drifted = False

    @property
    def model_view(self) -> ModelView:
        """How the model stands."""
        model = "" if self._model is None else self._model.model_id
        return ModelView("arrivals", model, self._drift, DRIFTED, self._looks, self._drifted)

    async def refresh(self, now: Moment) -> None:
        """Bring it up to date. Never raises for what a model or SQL may do: it says nothing then, and tries again later."""
        hour = now.at.replace(minute=0, second=0, microsecond=0)
        if self._models is None or self._said == hour:
            return
        try:
            if self._model is None:
                self._model = await asyncio.to_thread(open_model, self._models)
            told = await self._look(self._model, hour)
            self._drift, self._looks = told.drift, told.looks
            self._drifted = told.drift is not None and told.drift > (DRIFT_OVER if self._drifted else DRIFTED)
            self.views = [] if self._drifted else told.views
            self._said, self._failed = hour, False
        except DatabaseUnavailable:
            self.views = []
        except SnowgateError as error:
            self.views = []
            self._said = hour  # a model that cannot be opened is asked for again in the next hour
            if not self._failed:
                _log.warning("arrivals are foreseen without a model: %s", error)
            self._failed = True

    async def _look(self, model: DemandModel, hour: datetime) -> Told:
        """This hour's persons at each gate. `hour` is aware UTC."""
        zone = self._site.zone
        today = hour.astimezone(zone).date()
        first = await first_arrival(self._database)
        if first is None:
            return Told([], None, 0)
        begin = max(first.astimezone(zone).date(), today - timedelta(weeks=WEEKS))
        days = (today - begin).days + 1
        moments = [_moment(begin + timedelta(days=number // DAY), number % DAY, zone) for number in range(days * DAY)]
        past = [moment for moment in moments if moment < hour]
        await self._read([moment for moment in past if moment not in self._hours])
        self._hours = {moment: self._hours[moment] for moment in past}
        gates = [str(gate.id) for gate in self._site.gates]
        counts = np.full((len(gates), len(moments)), np.nan)
        counts[:, : len(past)] = [[self._hours[moment].get(gate, 0) for moment in past] for gate in gates]
        holidays = frozenset(self._site.tariff.holidays)
        series = {gate: Series(gate, begin, row, holidays) for gate, row in zip(gates, counts, strict=True)}
        return await asyncio.to_thread(_foreseen, model, series, len(past), hour)

    async def _read(self, missing: list[datetime]) -> None:
        for start in range(0, len(missing), PER_ROUND):
            batch = missing[start : start + PER_ROUND]
            told = await lane_arrivals(self._database, [(moment, moment + timedelta(hours=1)) for moment in batch])
            for moment, by_lane in zip(batch, told, strict=True):
                by_gate: dict[str, int] = {}
                for lane_id, number in by_lane.items():
                    gate = self._gate_of.get(lane_id)
                    if gate is not None:
                        by_gate[gate] = by_gate.get(gate, 0) + number
                self._hours[moment] = by_gate


def _moment(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(hour), zone).astimezone(UTC)


def _foreseen(model: DemandModel, of_gates: Mapping[str, Series], now: int, hour: datetime) -> Told:
    """What the model says of hour number `now`; nothing of gates with less than four weeks."""
    views, errors = [], np.zeros(2)  # of the model, and of the same hour a week before
    looks, persons = 0, 0.0
    since = min(now, max(WEEK, now - WEEK))
    for gate, series in zip(of_gates, together(list(of_gates.values())), strict=True):
        said = model.forecast(series, since)  # each hour by what was known the hour before, so this is how it would have done
        p10, p50, p90 = (float(value) for value in said[now])
        if not np.isnan(p50):
            views.append(OutlookView(gate, hour, round(p10, 1), round(p50, 1), round(p90, 1), model.model_id))
        came, before, foreseen = series.counts[since:now], series.counts[since - WEEK : now - WEEK], said[since:now, 1]
        known = ~np.isnan(came + before + foreseen) & (came + before > 0)  # nights say nothing
        looks, persons = looks + int(known.sum()), persons + float(came[known].sum())
        errors += [np.abs(foreseen - came)[known].sum(), np.abs(before - came)[known].sum()]
    enough = looks >= DRIFT_LOOKS and persons >= DRIFT_PERSONS and errors[1] > 0
    return Told(views, round(float(errors[0] / errors[1]), 3) if enough else None, looks)
