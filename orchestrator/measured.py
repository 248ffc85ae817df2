"""The one shape of everything that measures: flat JSON with figures, limits and ratios (numbers only, units in the names)."""

import platform
from collections.abc import Callable, Coroutine
from pathlib import Path

import msgspec
import psutil


class Measured(msgspec.Struct, frozen=True):
    """One run's outcome. `limits` were measured in the same run; `ratios` are figures over limits."""

    name: str
    seed: int
    machine: str
    figures: dict[str, float]
    limits: dict[str, float]
    ratios: dict[str, float]

    def write(self, path: Path) -> None:
        """Write it as indented JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def machine() -> str:
    """This machine in a few words."""
    cores = psutil.cpu_count(logical=True)
    memory = round(psutil.virtual_memory().total / 2**30)
    return f"{platform.system()} {platform.machine()}, {cores} cores, {memory} GiB, Python {platform.python_version()}"


# What a bench is (entry-point group `snowgate.benches`): seed, seconds for each part, where to tell progress.
Bench = Callable[[int, float, Callable[[str], None]], Coroutine[object, object, Measured]]
# What a trainer is (entry-point group `snowgate.trainers`): the site's file, the data folder, seed, where to tell progress.
Trainer = Callable[[Path, Path, int, Callable[[str], None]], Coroutine[object, object, Measured]]
