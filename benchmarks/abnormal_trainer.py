"""`snowgate train abnormal`: the score and the drift signal from synthetic days, into files and their manifest's lines.

It learns days of its own, chooses the threshold over others, and measures over still others; the bench uses again others. A
resort's own journal has no labels, so this does not read it: the site's file and data folder are where files go, no more.
"""

import hashlib
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import yaml

from benchmarks.abnormal_days import SeenDay, judge, see
from ml_models.abnormal import DRIFT, SCORE, AbnormalModel
from ml_models.abnormal_training import train_drift, train_score
from ml_models.manifest import TrainedModel
from orchestrator.measured import Measured, machine
from orchestrator.settings import places
from sim.scan_attacks import KINDS

LEARN, CHOOSE, TRY = range(10_000, 10_006), range(11_000, 11_004), range(12_000, 12_004)  # seeds of days
SCORE_FALSE_A_DAY = 1.5  # of alerts that the score raises where no rule did
MODEL_SEED = 1


def fit(days: Sequence[SeenDay], chosen_on: Sequence[SeenDay], seed: int, unseen: str = "") -> bytes:
    """The score that learnt `days` but for one kind, with the lowest threshold that keeps to its false alerts a day."""
    rows = np.concatenate([day.rows[day.without(unseen)] for day in days])
    guilty = np.concatenate([day.guilty[day.without(unseen)] for day in days])
    trial = AbnormalModel(lzma.compress(train_score(rows, guilty, seed, 1.0), preset=0), "trial")
    threshold = 0.99
    for candidate in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3):
        if judge(chosen_on, trial, candidate, rules=False).false_a_day > SCORE_FALSE_A_DAY:
            break
        threshold = candidate
    return train_score(rows, guilty, seed, threshold)


async def train_abnormal(site_file: Path, data: Path, seed: int, told: Callable[[str], None]) -> Measured:
    """Train both, write them and the manifest's lines into the data folder's `models`. Same seed, same bytes."""
    folder = places(data).models
    told(f"playing {len(LEARN) + len(CHOOSE) + len(TRY)} synthetic days …")
    learn, choose, tried = ([see(number) for number in seeds] for seeds in (LEARN, CHOOSE, TRY))
    told("training …")
    score = lzma.compress(fit(learn, choose, seed), preset=9)
    honest = np.concatenate([day.rows[day.guilty == 0] for day in learn])
    drift = lzma.compress(train_drift(honest, seed), preset=9)
    model = AbnormalModel(score, SCORE)
    both, alone = judge(tried, model, model.threshold, rules=True), judge(tried, model, model.threshold, rules=False)
    metric = {"recall": both.recall, "false_a_day": both.false_a_day, "score_alone_recall": alone.recall}
    metric |= {"score_alone_false_a_day": alone.false_a_day, "threshold": model.threshold}
    shipped = [_entry(SCORE, score, seed, metric), _entry(DRIFT, drift, seed, {"rows": float(len(honest))})]
    (folder / "trained").mkdir(parents=True, exist_ok=True)
    for entry, content in zip(shipped, (score, drift), strict=True):
        (folder / entry.file).write_bytes(content)
    lines = yaml.safe_dump([msgspec.to_builtins(entry) for entry in shipped], sort_keys=False, width=200)
    (folder / "abnormal.yaml").write_text(lines, encoding="utf-8")
    told(f"written to {folder}: two files, and abnormal.yaml for ml_models/manifest.yaml")
    figures = metric | {f"{kind}_recall": both.recall_of(kind) for kind in KINDS}
    return Measured("train abnormal", seed, machine(), figures, {}, {})


def _entry(name: str, content: bytes, seed: int, metric: dict[str, float]) -> TrainedModel:
    return TrainedModel(
        name=name,
        file=f"trained/{name.replace('-', '_')}.onnx.xz",
        sha256=hashlib.sha256(content).hexdigest(),
        licence="made by us, data and all",
        trained_by="snowgate train abnormal",
        seed=seed,
        data=[f"sim/scan_attacks.py, synthetic days {LEARN.start} to {LEARN.stop - 1}"],
        metric={key: round(value, 4) for key, value in metric.items()},
    )
