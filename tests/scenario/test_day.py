"""A day replays from its seed, byte for byte, also in another process with another hash seed."""

import os
import subprocess
import sys
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.settings import load_site
from resort.access.reasons import Reason
from resort.history import HistoryCheck
from resort.messages import GrantIssued, PassageConfirmed, ScanRefused
from resort.site import Site
from sim.day import DayPlan, run_day
from tests.conftest import DEMO

PRINT = """
from pathlib import Path
from orchestrator.settings import load_site
from sim.day import run_day
print(run_day(load_site(Path("config/demo.yaml")), 11).digest)
"""


def test_the_same_seed_gives_the_same_journal(demo_site: Site) -> None:
    assert run_day(demo_site, 11).digest == run_day(demo_site, 11).digest


def test_another_seed_gives_another_journal(demo_site: Site) -> None:
    assert run_day(demo_site, 11).digest != run_day(demo_site, 12).digest


def test_another_process_gives_the_same_journal(demo_site: Site) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    printed = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, text=True, check=True, env=environment)
    assert printed.stdout.strip() == run_day(demo_site, 11).digest


SITE = load_site(DEMO)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(50, 2_000), st.floats(0, 0.4), st.floats(0, 0.3))
def test_no_day_admits_twice_or_passes_without_a_grant(seed: int, gap_ms: float, used: float, hesitant: float) -> None:
    plan = DayPlan(guests=120, mean_gap_ms=gap_ms, used=used, hesitant=hesitant, party=0.1, rider=0.1)
    day = run_day(SITE, seed, plan)
    check = HistoryCheck(day.sold)
    for event in day.journal:
        check.take(event)
    report = check.conclude()
    assert report.findings == []
    assert report.figures["without_outcome"] == 0


def test_an_ordinary_day_has_every_kind_of_guest(demo_site: Site) -> None:
    day = run_day(demo_site, 11)
    passed = Counter(event.ticket_id for event in day.journal if isinstance(event, PassageConfirmed))
    parties = [ticket_id for ticket_id, allowed in day.sold.items() if allowed.party == 3]
    assert parties
    assert all(passed[ticket_id] == 3 for ticket_id in parties if passed[ticket_id])
    reasons = {event.reason for event in day.journal if isinstance(event, ScanRefused)}
    assert {Reason.ALREADY_USED, Reason.WRONG_DAY, Reason.FORGED_CODE, Reason.UNREADABLE, Reason.TOO_SOON} <= reasons
    assert any(event.step for event in day.journal if isinstance(event, GrantIssued))
