"""`snowgate bench abnormal`: incidents on synthetic days that neither the model nor its threshold has seen.

Rules alone, score alone, and both; then each kind of attack with a score that never learnt it. Beside them what the
alarms of `resort/alarms.py` raise on an honest day. And what a row costs of a core, for score and drift, alone and together.
"""

import asyncio
import lzma
from collections.abc import Callable, Sequence
from time import perf_counter, process_time
from typing import ParamSpec, TypeVar

import numpy as np

from benchmarks.abnormal_days import NEVER, Outcome, SeenDay, judge, see
from benchmarks.abnormal_trainer import CHOOSE, LEARN, MODEL_SEED, fit
from ml_models.abnormal import AbnormalModel, DriftModel, Rows
from orchestrator.measured import Measured, machine
from resort.alarms import EventAlarms
from resort.site import AlarmLimits
from sim.scan_attacks import KINDS, play

P = ParamSpec("P")
R = TypeVar("R")
DAYS, FIRST_DAY = 8, 50_000
UNSEEN_LEARN, UNSEEN_CHOOSE = LEARN[:4], CHOOSE[:2]  # seven trainings: fewer days for each
BATCH = 1_000
ALARM_KINDS = frozenset({"invalid_scans", "code_at_many_lanes", "cloned_code", "tailgating"})


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Days `FIRST_DAY + seed · DAYS` and on; raises PartMissing when a shipped model is not the pinned one."""
    first = FIRST_DAY + seed * DAYS
    told(f"playing {DAYS} days of synthetic scans …")
    days = [await _yielding(see, number) for number in range(first, first + DAYS)]
    model, drift = AbnormalModel.shipped(), DriftModel.shipped()
    figures: dict[str, float] = {"days": DAYS, "scans_a_day": sum(day.scans for day in days) / DAYS}
    both = judge(days, model, model.threshold, rules=True)
    figures |= _told("both", both)
    figures |= _told("rules_alone", judge(days, None, NEVER, rules=True))
    figures |= _told("score_alone", judge(days, model, model.threshold, rules=False))
    figures["alarms_alone_honest_day_raised"] = await _yielding(_alarms, first)
    figures |= {f"both_{kind}_recall": both.recall_of(kind) for kind in KINDS}
    told("training once for each kind of attack, without it …")
    learn = [await _yielding(see, number) for number in UNSEEN_LEARN]
    choose = [await _yielding(see, number) for number in UNSEEN_CHOOSE]
    unseen = [await _yielding(_unseen, kind, learn, choose, days) for kind in KINDS]
    for kind, (with_rules, alone) in zip(KINDS, unseen, strict=True):
        figures |= {f"unseen_{kind}_recall": with_rules.recall_of(kind), f"unseen_{kind}_score_alone": alone.recall_of(kind)}
    figures["unseen_least_recall"] = min(figures[f"unseen_{kind}_recall"] for kind in KINDS)
    figures["unseen_most_false_a_day"] = max(outcome.false_a_day for outcome, _ in unseen)
    rows = np.concatenate([day.rows for day in days])
    strange = float(drift.strange(rows[np.concatenate([day.guilty for day in days]) == 0]).mean())
    figures["drift_strange_share_honest"] = strange
    for name, run in (("score", model.scores), ("drift", drift.strange)):
        alone_us, together_us = row_us(run, rows[:BATCH], seconds)
        figures |= {f"{name}_us_a_row_alone": alone_us, f"{name}_us_a_row_in_{BATCH}": together_us}
    limits = {"recall": 0.95, "false_a_day": 5.0, "unseen_recall": 0.9, "us_a_row": 20.0}
    ratios = {
        "recall_over_limit": both.recall / limits["recall"],
        "false_a_day_over_limit": both.false_a_day / limits["false_a_day"],
        "unseen_least_recall_over_limit": figures["unseen_least_recall"] / limits["unseen_recall"],
    }
    return Measured("abnormal", seed, machine(), figures, limits, ratios)


def row_us(run: Callable[[Rows], object], rows: Rows, seconds: float) -> tuple[float, float]:
    """Microseconds of a core for a row, each by itself and all at once: the quickest turn in a tenth of `seconds` each."""
    alone = [np.ascontiguousarray(rows[row : row + 1]) for row in range(len(rows))]
    return _quickest(run, alone, seconds / 10) / len(rows), _quickest(run, [rows], seconds / 10) / len(rows)


def _quickest(run: Callable[[Rows], object], turn: Sequence[Rows], seconds: float) -> float:
    best, until = np.inf, perf_counter() + seconds
    while perf_counter() < until or best == np.inf:
        began = process_time()
        for asked in turn:
            run(asked)
        best = min(best, process_time() - began)
    return float(best) * 1e6


def _unseen(kind: str, learn: list[SeenDay], choose: list[SeenDay], days: list[SeenDay]) -> tuple[Outcome, Outcome]:
    model = AbnormalModel(lzma.compress(fit(learn, choose, MODEL_SEED, kind), preset=0), f"without {kind}")
    return judge(days, model, model.threshold, rules=True), judge(days, model, model.threshold, rules=False)


def _alarms(seed: int) -> int:
    """How many alarms of today's kinds about scans a day without any attack raises."""
    alarms, held, raised = EventAlarms(AlarmLimits()), set[str](), 0
    for event, at in play(seed, attacks_a_day=0).events:
        alarms.take(event, at)
        now = {cause.alarm_key for cause in alarms.holding(at) if cause.kind in ALARM_KINDS}
        raised += len(now - held)
        held = now
    return raised


def _told(name: str, outcome: Outcome) -> dict[str, float]:
    figures = {f"{name}_recall": outcome.recall, f"{name}_false_a_day": outcome.false_a_day}
    return figures | {f"{name}_alerts_a_day": outcome.alerts / outcome.days}


async def _yielding(work: Callable[P, R], *words: P.args, **named: P.kwargs) -> R:
    """Let Ctrl-C in before each piece of work."""
    await asyncio.sleep(0)
    return work(*words, **named)
