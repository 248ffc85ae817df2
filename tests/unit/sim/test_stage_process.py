"""Both ends of the stage's pipes where things go wrong: lines that nobody should send, starts that fail, stops in a hurry.

What the stage plays, and the guests' whole way, is tested in `tests/integration/test_stage.py`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import msgspec
import psutil
import pytest
import pytest_asyncio
import yaml

from orchestrator.stages import LoadMix, LoadOrder, LoadTally
from resort.clock import SystemClock
from resort.errors import Bug, Invalid, Unavailable
from resort.ids import LaneId
from resort.site import CameraSite, GateSite, LaneSite, Site, TurnstileSite
from sim.stage_process import ROOT, StageProcess
from sim.truth import DeviceOrdered, LoadBegan, read_truth

pytestmark = pytest.mark.realtime

WAIT_S = 60
SEED = 5
TODAY = date(2026, 12, 5)
DRILL = ROOT / "config" / "drill.yaml"


def written(site: Site, folder: Path, *gates: GateSite) -> Path:
    path = folder / "site.yaml"
    admission = msgspec.structs.replace(site.admission, travel=[])  # it names gates that are left out here
    tree = msgspec.to_builtins(msgspec.structs.replace(site, gates=list(gates), admission=admission))
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def gate(demo_site: Site) -> GateSite:
    """A gate with one lane, which the stage plays."""
    first = demo_site.gates[0]
    return msgspec.structs.replace(first, lanes=first.lanes[:1])


@pytest.fixture
def site_file(demo_site: Site, gate: GateSite, tmp_path: Path) -> Path:
    return written(demo_site, tmp_path, gate)


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[StageProcess]:
    process = StageProcess()
    yield process
    async with asyncio.timeout(WAIT_S):
        await process.stop()


def stages_of_ours() -> list[int]:
    """Process ids of the stages that this test left running."""
    children = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child.pid for child in children if "sim.stage" in child.cmdline()]


async def test_any_line_is_survived_and_answered(site_file: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sim.stage", "--site", str(site_file)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    lines = [
        b"",
        b"\x00",
        b'{"do":"\xff\xfe"}',
        b'{"do":"fault","lane":"\xed\xa0\x80"}',
        b"x" * 200_000,
        b'{"do":"open","day":"soon"}',
    ]
    async with asyncio.timeout(WAIT_S):
        assert msgspec.json.decode(await child.stdout.readline())["ready"]
        for number, line in enumerate(lines, start=1):
            child.stdin.write(line + b'\n{"do":"fault","lane":"village-1","number":%d}\n' % number)
            await child.stdin.drain()
            problems = []
            while (answer := msgspec.json.decode(await child.stdout.readline()))["number"] != number:
                problems.append(answer["problem"])  # several, where a line is too long to be taken at once
            assert problems, line[:40]
            assert all(problems)
            assert answer["problem"] == ""
        child.stdin.write(b'{"do":"stop"}\n')
        assert await child.wait() == 0
    child.stdin.close()


@pytest.mark.parametrize("text", ["name: [", "gates: 3", None])
async def test_nothing_runs_after_a_start_that_failed(stage: StageProcess, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "bad.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(Unavailable, match="site file"):
        await stage.start(path, SEED)
    assert stage.pid is None
    assert stages_of_ours() == []


async def test_nothing_runs_after_a_start_that_was_given_up_on(stage: StageProcess, site_file: Path) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):  # the child needs longer for its imports
            await stage.start(site_file, SEED)
    assert stages_of_ours() == []


async def test_a_stage_starts_once_at_a_time(stage: StageProcess, site_file: Path) -> None:
    await stage.start(site_file, SEED)
    with pytest.raises(Bug, match="twice"):
        await stage.start(site_file, SEED)
    assert len(stages_of_ours()) == 1
    await stage.stop()
    await stage.start(site_file, SEED)
    await stage.fault("village-1", on=True)


async def test_whoever_stops_in_a_hurry_leaves_nothing_behind(stage: StageProcess, site_file: Path) -> None:
    await stage.start(site_file, SEED)
    pid = stage.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # it will not hear that its input ended
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await stage.stop()
    assert not psutil.pid_exists(pid)


async def test_what_is_real_is_not_played(stage: StageProcess, demo_site: Site, gate: GateSite, tmp_path: Path) -> None:
    steel, camera = TurnstileSite("tcp://127.0.0.1:1", 9), CameraSite("http://127.0.0.1:1/")
    real = LaneSite(LaneId("real"), gate.name, "standard", steel, camera)
    other = msgspec.structs.replace(real, id=LaneId("other"), turnstile=msgspec.structs.replace(steel, unit=10))
    mixed = msgspec.structs.replace(gate, lanes=[*gate.lanes, real])
    elsewhere = msgspec.structs.replace(gate, id="elsewhere", lanes=[other])
    addresses = await stage.start(written(demo_site, tmp_path, mixed, elsewhere), SEED)
    assert set(addresses.buses) == {"village"}
    assert set(addresses.cameras) == {"village-1"}


async def test_a_drills_orders_go_through_the_pipes(stage: StageProcess, tmp_path: Path) -> None:
    addresses = await stage.start(DRILL, SEED)
    assert addresses.cameras["north-1"].startswith("tcp://127.0.0.1:")
    truth = tmp_path / "truth.jsonl"
    order = LoadOrder(
        str(truth), 100.0, 5, mix=LoadMix(0, 0, 0, 0, 1, 0, 0, 0), patience_ms=20.0, hold=True
    )  # forgers buy nothing
    await stage.load("http://127.0.0.1:1", "key", TODAY, order)
    await until_phase(stage, "stocked")
    before = SystemClock().now().tick_ns
    assert before < await stage.silence("north-1", on=True, obeys=True) < SystemClock().now().tick_ns
    await stage.go()
    tally = await until_phase(stage, "done")
    assert (tally.presented, tally.kinds, tally.done) == (5, {"forged": 5}, True)
    assert set(tally.steel) == set(addresses.cameras)
    assert [type(record) for record in read_truth(truth)][:2] == [DeviceOrdered, LoadBegan]
    with pytest.raises(Invalid, match="not stocked"):
        await stage.go()
    assert (await stage.pause())["gave_up"] == 5


async def until_phase(stage: StageProcess, phase: str) -> LoadTally:
    async with asyncio.timeout(WAIT_S):
        while True:
            tally = await stage.tally()
            if tally.phase == phase:
                return tally
            await asyncio.sleep(0.01)
