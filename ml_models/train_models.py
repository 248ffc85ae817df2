"""`python -m ml_models.train_models [NAME …]`: trains the demand models that are committed, and tells their manifest.

They know nothing of the last 20 weeks of their data: over those they are measured, here and by `snowgate bench demand`. Takes
minutes; not part of `make install`. Needs the extra `train`.
"""

import argparse
import hashlib
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import yaml

from ml_models.demand import DemandModel
from ml_models.demand_data import AUCKLAND, BIKES, Carried, auckland, bikes
from ml_models.demand_features import DAY, Ahead, Series
from ml_models.demand_measures import score, seasonal_naive
from ml_models.demand_training import Recipe, train
from ml_models.manifest import MANIFEST, TrainedModel
from resort.errors import SnowgateError

TEST_DAYS = 140
SEED = 1


class Shipped(msgspec.Struct, frozen=True):
    """A model that ships: what it learns from, how far it looks ahead, how large it is."""

    name: str
    ahead: Ahead
    carried: Carried
    places: Callable[[], list[Series]]
    recipe: Recipe

    @property
    def file(self) -> str:
        """Beside the manifest."""
        return f"trained/{self.name.replace('-', '_')}.onnx.xz"


_PEOPLE = Recipe(trees=240, leaves=80, rate=0.08, least_in_leaf=50, share=0.8, band_trees=70, band_rate=0.12)
_PEOPLE_HOUR = Recipe(trees=230, leaves=96, rate=0.1, least_in_leaf=50, share=0.8, band_trees=50, band_leaves=15, band_rate=0.2)
_WEATHER = Recipe(trees=360, leaves=31, rate=0.07, least_in_leaf=15, band_trees=60, band_leaves=15, band_rate=0.12)
_WEATHER_HOUR = msgspec.structs.replace(_WEATHER, trees=300, band_trees=100, band_rate=0.08)
SHIPPED = (
    Shipped("demand-day", "day", AUCKLAND, auckland, _PEOPLE),
    Shipped("demand-hour", "hour", AUCKLAND, auckland, _PEOPLE_HOUR),
    Shipped("demand-weather-day", "day", BIKES, bikes, _WEATHER),
    Shipped("demand-weather-hour", "hour", BIKES, bikes, _WEATHER_HOUR),
)


def make(shipped: Shipped, folder: Path) -> TrainedModel:
    """Train it, measure it over the weeks it has not seen, write it. Raises PartMissing."""
    places = shipped.places()
    hours = len(places[0].counts)
    begin = hours - TEST_DAYS * DAY
    content = lzma.compress(train(places, shipped.ahead, begin, shipped.recipe, SEED), preset=9)
    model = DemandModel(content, shipped.name)
    ours = score(places, [model.forecast(place, begin) for place in places], begin, hours)
    naive = score(places, [seasonal_naive(place) for place in places], begin, hours)
    path = folder / shipped.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    package = shipped.carried.package
    return TrainedModel(
        name=shipped.name,
        file=shipped.file,
        sha256=hashlib.sha256(content).hexdigest(),
        licence=f"made by us; its data {shipped.carried.licence}",
        trained_by="python -m ml_models.train_models",
        seed=SEED,
        data=[f"{package.name} {package.version}", f"{shipped.carried.member} sha256 {shipped.carried.sha256}"],
        metric={
            "wape": round(ours.wape, 4),
            "wape_over_seasonal_naive": round(ours.wape / naive.wape, 4),
            "mase": round(ours.mase, 4),
            "below_p90": round(ours.below_p90, 4),
        },
    )


def main(words: list[str] | None = None) -> int:
    """The command. Exit 0: every model asked for was written."""
    parser = argparse.ArgumentParser(prog="python -m ml_models.train_models", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones; all without")
    asked = parser.parse_args(words)
    try:
        for shipped in SHIPPED:
            if not asked.names or shipped.name in asked.names:
                made = msgspec.to_builtins(make(shipped, MANIFEST.parent))
                sys.stdout.write(yaml.safe_dump([made], sort_keys=False, width=200))
                sys.stdout.flush()
    except SnowgateError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
