"""Abnormal behaviour while the resort runs: each journal event is looked at once, odd ones are scored and grouped.

The alarm desk hosts it, which takes the journal's tail. Without the score (switched off by `abnormal.score: false`, its file
away, its runtime failing) the hard rules go on. Nothing here admits or refuses anybody.
"""

import logging
from collections import deque
from collections.abc import Sequence

from ml_models.abnormal import AbnormalModel, DriftModel
from resort.alarms import Cause, Evidence
from resort.clock import Moment
from resort.crowd import ModelView
from resort.errors import SnowgateError
from resort.incidents import NO_SCORE, IncidentBook
from resort.messages import JournalEvent
from resort.scan_oddities import Oddities, Oddity
from resort.site import AbnormalSite

NEVER = 2.0  # a threshold that no score reaches: rules alone
FORGET_MS = 60_000
DRIFT_LOOKS, LEAST_LOOKS = 1_000, 50
USUAL_SHARE = 0.05  # of training's rows are as far out as what is called strange
DRIFTED, DRIFT_OVER = 4.0, 2.5  # times as often: when it is told, and when that is over
_log = logging.getLogger("snowgate.orchestrator")


class ScanWatch:
    """`take` each event, ask `holding` about once a second."""

    def __init__(self, settings: AbnormalSite) -> None:
        """Opens the shipped models. Never raises for them: rules do without."""
        self._model: AbnormalModel | None = None
        self._drift: DriftModel | None = None
        if settings.score:
            try:
                self._model, self._drift = AbnormalModel.shipped(), DriftModel.shipped()
            except SnowgateError as error:
                _log.warning("abnormal scans are told by rules alone: %s", error)
        self._rules = settings.rules
        self._oddities = Oddities()
        self._book = IncidentBook(NEVER if self._model is None else self._model.threshold)
        self._strange: deque[bool] = deque(maxlen=DRIFT_LOOKS)
        self._forgot: Moment | None = None
        self._drifted = False

    @property
    def scored(self) -> bool:
        """Whether the score runs."""
        return self._model is not None

    @property
    def drift(self) -> float | None:
        """How many times as often as in training rows are far out: about 1 where days are as they were; None while few came."""
        if self._drift is None or len(self._strange) < LEAST_LOOKS:
            return None
        return sum(self._strange) / len(self._strange) / USUAL_SHARE

    @property
    def model_view(self) -> ModelView:
        """How score and drift stand."""
        model = "" if self._model is None else self._model.model_id
        return ModelView("scans", model, self.drift, DRIFTED, len(self._strange), self._drifted)

    def take(self, event: JournalEvent, at: Moment) -> None:
        """One event, as having come at `at`. Never raises for what a model may do."""
        look = self._oddities.take(event, at)
        if look is None:
            return
        self._book.add(look if self._rules else look._replace(rule=""), self._score(look))

    def holding(self, now: Moment) -> Sequence[Cause]:
        """What is an alert now, the most suspicious first."""
        if self._forgot is None or now.ms_since(self._forgot) >= FORGET_MS:
            self._oddities.forget(now)
            self._forgot = now
        drift = self.drift
        if drift is None or drift < (DRIFT_OVER if self._drifted else DRIFTED):
            self._drifted = False
            return self._book.holding(now)
        self._drifted = True
        evidence: Evidence = {"times_as_often": round(drift, 1), "threshold": DRIFTED, "looks": len(self._strange)}
        return [*self._book.holding(now), Cause("scan_drift:site", "", "", evidence)]

    def _score(self, look: Oddity) -> float:
        if self._model is None or self._drift is None:
            return NO_SCORE
        try:
            score = float(self._model.scores([look.row])[0])
            self._strange.append(bool(self._drift.strange([look.row])[0]))
        except SnowgateError as error:
            _log.warning("abnormal scans are told by rules alone from now on: %s", error)
            self._model = self._drift = None
            return NO_SCORE
        return score
