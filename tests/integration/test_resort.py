"""The whole resort as a process: lanes are killed under load, the site is closed, opened again, killed and opened again.

What is checked is seen from outside: the summary file, HTTP, SQL, the process table. The tests run in this order on one data
folder, each going on where the one before ended.
"""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.running_site import RunningSite, living

pytestmark = pytest.mark.realtime

RUN_S = 22
KILLS = 3
PASSED = """
    SELECT count(*), count(DISTINCT ticket_id) FROM journal WHERE kind = 'PassageConfirmed'
"""
FREE_TURNS = """
    SELECT coalesce(sum(json_extract(body, '$.rotations')), 0) FROM journal WHERE kind = 'PassageUncontrolled'
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resort") / "data"


@pytest.fixture
def sites() -> Iterator[list[RunningSite]]:
    """Sites that the test started; ended if it fails half-way."""
    started: list[RunningSite] = []
    yield started
    for site in started:
        site.kill_all()


def _wait_for_lane(site: RunningSite, killed_at: float) -> None:
    """Until a lane says "ready" after the kill."""
    query = "SELECT lane_id, at FROM journal WHERE kind = 'LaneChanged' AND at > ? ORDER BY seq LIMIT 1"
    mark = datetime.fromtimestamp(killed_at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    site.until(lambda: site.sql(query, mark), 30)


def _hang_and_wait_for_others(site: RunningSite, kinds: tuple[str, ...]) -> None:
    """Freeze an actor of each kind, until others stand in their places."""
    before = {kind: site.actor_processes(kind) for kind in kinds}
    hanging = [processes[0] for processes in before.values()]
    for process in hanging:
        process.suspend()

    def replaced() -> bool:
        now = {kind: site.actor_processes(kind) for kind in kinds}
        return all(
            len(now[kind]) == len(before[kind]) and not any(process in hanging for process in now[kind]) for kind in kinds
        )

    site.until(replaced, 300)  # one that the watch has not heard of yet has longer to answer


def test_lanes_killed_under_load_lose_nothing_and_admit_nobody_twice(data: Path, sites: list[RunningSite]) -> None:
    summary = data.parent / "out.json"
    site = RunningSite(data, "--for", str(RUN_S), "--json", str(summary))
    sites.append(site)
    site.wait_open()
    for _ in range(KILLS):
        time.sleep(2.0)  # guests of the rehearsal walk in real time
        victim = site.lane_processes()[0]
        killed_at = time.time()  # noqa: TID251 - compared with times in the journal
        victim.send_signal(signal.SIGKILL)
        _wait_for_lane(site, killed_at)  # how soon is for `snowgate drill lane` to measure
    family = site.family()
    assert site.wait_end(90) == 0, site.output()[-3000:]
    assert living(family) == []
    figures = msgspec.json.decode(summary.read_bytes())["figures"]
    assert figures["passages"] > 60
    assert figures["duplicates"] == 0
    # A crowded machine may leave the ledger for a moment; what the gates did then came past its stream.
    assert figures["stream_events"] == figures["sql_events"] > 0 or figures["past_stream_events"] > 0
    assert figures["actors_alive"] == 19
    passages, tickets = site.sql(PASSED)[0]
    assert passages == tickets == figures["passages"]
    # What the steel counted is what the journal holds: every turn is a passage, or known to have had no grant.
    (free,) = site.sql(FREE_TURNS)[0]
    assert figures["guests_went_through"] == passages + free
    assert free == 0


@pytest.mark.timeout(600)
def test_opened_again_the_resort_goes_on_with_the_same_counts(data: Path, sites: list[RunningSite]) -> None:
    site = RunningSite(data, "--no-guests")
    sites.append(site)
    passages = site.sql(PASSED)[0][0]
    site.wait_open()
    assert site.password is None  # it is shown once, at the first start
    assert "ready" in site.output()
    health = site.until(lambda: _healthy(site), 20)
    assert health["ok"]
    metrics_before = site.sql("SELECT count(*) FROM tickets")[0][0]
    assert metrics_before > passages
    _hang_and_wait_for_others(site, ("InferenceActor", "GateActor"))
    site.until(lambda: _healthy(site), 60)
    family = site.family()
    os.kill(site.process.pid, signal.SIGKILL)  # the worst way to end: nothing is closed
    site.process.wait(20)
    assert living(family) != []


def test_what_a_killed_run_left_behind_is_ended_and_ctrl_c_leaves_nothing(data: Path, sites: list[RunningSite]) -> None:
    site = RunningSite(data, "--no-guests")
    sites.append(site)
    site.wait_open()
    assert "that a killed run had left behind" in site.output()
    assert site.sql(PASSED)[0][0] == site.sql(PASSED)[0][1] > 60
    family = site.family()
    assert len(family) > 20
    site.interrupt()
    assert site.process.returncode == 0, site.output()[-3000:]
    assert living(family) == []


def _healthy(site: RunningSite) -> dict[str, object] | None:
    health: dict[str, object] = site.get("/api/health")
    return health if health["ok"] else None
