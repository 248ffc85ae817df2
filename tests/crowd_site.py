"""A small resort for the crowd brain: the demo's village gate in one process, a sign, and a brain that thinks each second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import DEMO
from tests.running_site import RunningSite


def crowd_site(folder: Path, change: Callable[[dict[str, Any]], None] = lambda made: None) -> RunningSite:
    """Open it without guests, in the mode `confirm`, and sign in as admin; `change` its file before."""
    made = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    made["gates"] = made["gates"][:1]
    made["admission"].pop("travel", None)
    made.pop("faces", None)
    made["runtime"] |= {"pricing_shards": 1, "lanes_per_actor": 4}
    signs = [{"id": "car-park", "name": {"zh": "停车场", "en": "Car park"}, "walk_s": {"village": 120}}]
    made["crowd"] = {"mode": "confirm", "tick_s": 1, "dwell_s": 3, "cool_down_s": 1, "human_s": 3_600, "signs": signs}
    change(made)
    path = folder / "crowd.yaml"
    path.write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    site = RunningSite(folder / "data", "--site", str(path), "--no-guests")
    try:
        site.wait_open()
        assert site.password is not None
        site.sign_in("admin", site.password)
    except BaseException:
        site.kill_all()
        raise
    return site
