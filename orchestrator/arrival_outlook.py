"""How many persons each gate should see in this hour, by the demand model an hour ahead (docs/models.md).

Reads the journal's hours, at most eight weeks of them and each once, and runs the model once an hour, beside the ticks and
never in their way. Silent until the journal has four weeks, or where no model can be opened: the senses' plain rule then stands
alone.
"""

import asyncio
import logging
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from ml_models.demand import DemandModel
from ml_models.demand_features import DAY, Series, together
from ml_models.demand_own import own_models
from resort.clock import Moment
from resort.crowd import OutlookView
from resort.errors import DatabaseUnavailable, SnowgateError
from resort.site import Site
from storage.database import Database
from storage.lane_arrivals import first_arrival, lane_arrivals

MODEL = "demand-hour"
WEEKS = 8
PER_ROUND = 168  # hours that are read between two looks at the clock
_log = logging.getLogger("snowgate.crowd")


def open_model(folder: Path) -> DemandModel:
    """The resort's own model an hour ahead, else the shipped one. Raises InvalidConfig, PartMissing."""
    own = next((model for model in own_models(folder) if model.ahead == "hour"), None)
    return own.opened(folder) if own is not None else DemandModel.shipped(MODEL)


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

    async def refresh(self, now: Moment) -> None:
        """Bring it up to date. Never raises for what a model or SQL may do: it says nothing then, and tries again later."""
        hour = now.at.replace(minute=0, second=0, microsecond=0)
        if self._models is None or self._said == hour:
            return
        try:
            if self._model is None:
                self._model = await asyncio.to_thread(open_model, self._models)
            self.views = await self._look(self._model, hour)
            self._said, self._failed = hour, False
        except DatabaseUnavailable:
            self.views = []
        except SnowgateError as error:
            self.views = []
            self._said = hour  # a model that cannot be opened is asked for again in the next hour
            if not self._failed:
                _log.warning("arrivals are foreseen without a model: %s", error)
            self._failed = True

    async def _look(self, model: DemandModel, hour: datetime) -> list[OutlookView]:
        """This hour's persons at each gate. `hour` is aware UTC."""
        zone = self._site.zone
        today = hour.astimezone(zone).date()
        first = await first_arrival(self._database)
        if first is None:
            return []
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
        return await asyncio.to_thread(_foreseen, model, gates, counts, begin, holidays, len(past), hour)

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


def _foreseen(
    model: DemandModel, gates: list[str], counts: np.ndarray, begin: date, holidays: frozenset[date], now: int, hour: datetime
) -> list[OutlookView]:
    """What the model says of hour number `now`; nothing of gates with less than four weeks."""
    views = []
    places = together([Series(gate, begin, row, holidays) for gate, row in zip(gates, counts, strict=True)])
    for gate, series in zip(gates, places, strict=True):
        p10, p50, p90 = (float(value) for value in model.forecast(series, now)[now])
        if not np.isnan(p50):
            views.append(OutlookView(gate, hour, round(p10, 1), round(p50, 1), round(p90, 1), model.model_id))
    return views
