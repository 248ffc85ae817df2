"""`snowgate train demand`: demand models from the resort's own journal, day-ahead and an hour ahead, kept only if they win.

Models that won lie in the data folder beside `demand.json`, which names each with data, seed, errors and digest. Where there
is none, the shipped ones serve. Needs the extra `train`.
"""

import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

from ml_models.demand import DemandModel
from ml_models.demand_features import Ahead, Series
from ml_models.demand_own import OwnModel, keep, own_models
from ml_models.demand_retraining import RECIPE, Verdict, retrain, series_of
from ml_models.demand_training import Recipe
from orchestrator.measured import Measured, machine
from orchestrator.settings import load_site, places
from resort.errors import Invalid
from storage.arrivals_sql import arrivals_by_hour
from storage.database import Database
from storage.migrate import upgrade

AHEADS: tuple[Ahead, ...] = ("day", "hour")


async def train_demand(site_file: Path, data: Path, seed: int, told: Callable[[str], None]) -> Measured:
    """Train and try both. Raises Invalid when the journal holds too little, PartMissing, DatabaseUnavailable."""
    site, where = load_site(site_file), places(data)
    await upgrade(where.database_url)
    database = Database(where.database_url)
    try:
        found = await arrivals_by_hour(database, site.zone, [gate.id for gate in site.gates])
    finally:
        await database.dispose()
    if found is None:
        raise Invalid("journal", "it holds no whole day with arrivals")
    gates = series_of(*found, frozenset(site.tariff.holidays))
    return try_all(gates, where.models, seed, told)


def try_all(gates: list[Series], folder: Path, seed: int, told: Callable[[str], None], recipe: Recipe = RECIPE) -> Measured:
    """Both models on these arrivals, and what came of it. Raises Invalid."""
    figures: dict[str, float] = {"days": len(gates[0].counts) // 24, "gates": len(gates)}
    ratios: dict[str, float] = {}
    for ahead in AHEADS:
        current, seen_to = serving(ahead, folder)
        told(f"{ahead} ahead: training beside {current.model_id} …")
        verdict = retrain(gates, current, seen_to, seed, recipe)
        if verdict.content is not None:
            told(f"{ahead} ahead: {_keep(verdict, gates, folder, seed)} won and serves from now on")
        else:
            told(f"{ahead} ahead: {current.model_id} stays")
        figures |= {f"{ahead}_wape_{name}": value for name, value in verdict.wape.items()}
        figures[f"{ahead}_shipped"] = float(verdict.won)
        ratios[f"{ahead}_new_over_current"] = verdict.wape["new"] / verdict.wape["current"]
        ratios[f"{ahead}_new_over_seasonal_naive"] = verdict.wape["new"] / verdict.wape["seasonal_naive"]
    return Measured("train demand", seed, machine(), figures, {}, ratios)


def serving(ahead: Ahead, folder: Path) -> tuple[DemandModel, date | None]:
    """The model that serves now, and the day up to which it has seen this resort (None: it never has)."""
    for own in own_models(folder):
        if own.ahead == ahead:
            return own.opened(folder), own.trained_to
    return DemandModel.shipped(f"demand-{ahead}"), None


def _keep(verdict: Verdict, gates: list[Series], folder: Path, seed: int) -> str:
    """Keep the winner and answer its id."""
    assert verdict.content is not None
    digest = hashlib.sha256(verdict.content).hexdigest()
    counted = hashlib.sha256(b"".join(gate.counts.tobytes() for gate in gates)).hexdigest()
    model = OwnModel(
        ahead=verdict.ahead,
        file=f"demand_{verdict.ahead}_{digest[:12]}.onnx.xz",
        sha256=digest,
        data=f"journal from {gates[0].first_day}, {len(gates)} gates, counts {counted[:12]}",
        trained_to=verdict.trained_to,
        seed=seed,
        wape=verdict.wape,
    )
    keep(model, verdict.content, folder)
    return model.model_id
