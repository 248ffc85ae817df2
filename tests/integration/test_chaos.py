"""Whatever fails in whatever order: nobody passes twice, and the ledger comes back."""

import os
from collections import Counter

import pytest

from tests.integration.offline_chaos import Chaos
from tests.integration.offline_site import OfflineSite, opened
from tests.integration.offline_store import Store, at, show_everywhere

SEEDS = [int(seed) for seed in os.environ.get("SNOWGATE_CHAOS_SEEDS", "1 2").split()]
SECONDS = 5.0


@pytest.mark.parametrize("seed", SEEDS)
async def test_nobody_passes_twice_and_the_ledger_comes_back(
    site: OfflineSite, store: Store, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    for name, ms in {"LOSE_MS": 300.0, "LEASE_MS": 600.0, "THAW_MS": 1_000.0, "START_MS": 1_000.0}.items():
        monkeypatch.setattr(f"actors.gate_ledger.{name}", ms)
    monkeypatch.setattr("actors.rejoin.AWAY_MS", 1_200.0)
    async with opened(site):
        chaos = Chaos(site, store, seed)
        try:
            await chaos.run(SECONDS)
            await site.until(lambda: at(site, "ledger"), patience_s=60)
        finally:
            await chaos.stop()
        assert chaos.turned()
        seen = chaos.turned() + Counter()
        await show_everywhere(site, chaos.sold)
        assert max(chaos.turned().values()) == 1, (chaos.done, seen)
