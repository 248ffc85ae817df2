"""The real-time mode: the busiest stretch of a virtual day, sent through the doors of a running site at a speed.

The site is opened for it with the scenario's gates and lanes; tickets are bought at its shop over HTTP, codes come as scanner
lines over TCP, arms are turned behind Modbus TCP by the rehearsal stage (`sim/load.py`), and what really happened is held
against what SQL has in the end. The stretch gives how many come, and with what; at which lane is drawn evenly.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import yaml

from orchestrator.measured import Measured, machine
from orchestrator.opening import Opening, OpenSite
from orchestrator.settings import places
from orchestrator.stages import LoadMix, LoadOrder, LoadTally
from orchestrator.summary import summarise
from resort.errors import Unavailable
from resort.messages import JournalEvent, PassageConfirmed, PassageUncontrolled
from resort.texts import Text
from sim.mountain.real_report import KINDS, RealPlayed, course_of
from sim.mountain.resort_day import DayPlayed
from sim.mountain.scenario import Scenario
from sim.truth import ArmTurned, read_truth

LOOK_S = 0.25
BUYING_S, TICKETS_PER_S = 300.0, 40.0  # patience with the shop, and at the least what it sells
LEAVING_S = 60.0  # after the last has come, until the last has left
QUIET_S = 10.0
DRAIN_S = 120.0
PAGE = 1_000
LANES_PER_ACTOR = 8
FULL_SHARE = 0.85  # of the cores: what is left goes to the system
LIVELY_MS = (700.0, 2_100.0)  # from the light to the turn at speed 1
OPEN_MS = 800.0  # shorter than the drill profile's window
Told = Callable[[str], None]
Shown = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class LoadUse:
    """What a load took: cores of ours by kind of process, cores busy in the whole machine, and the most guests in line."""

    ours: dict[str, float]
    machine: float
    most_waiting: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """The busiest stretch of a day: persons at all lanes together, and the second at which it begins."""

    begins_s: float
    lasts_s: float
    persons: int


def busiest(spans: Iterable[tuple[float, float]], lasts_s: float) -> Stretch:
    """The stretch of that length in which most passages begin."""
    begins = sorted(began for began, _ in spans)
    best, first = Stretch(0.0, lasts_s, 0), 0
    for last, at_s in enumerate(begins):
        while begins[first] <= at_s - lasts_s:
            first += 1
        if last - first + 1 > best.persons:
            best = Stretch(begins[first], lasts_s, last - first + 1)
    return best


def site_tree(scene: Scenario) -> dict[str, object]:
    """A site file with the scenario's gates and lanes, whose steel and scanners the rehearsal stage plays."""
    units = [{"unit": "adult", "percent": 100}]
    prices = {"weekday": 100, "weekend": 100, "holiday": 100}
    return {
        "name": {"zh": scene.name.zh, "en": scene.name.en},
        "timezone": scene.timezone,
        "gates": [
            {
                "id": gate.id,
                "name": {"zh": gate.name.zh, "en": gate.name.en},
                "lanes": [
                    {
                        "id": f"{gate.id}-{number}",
                        "name": {"zh": f"{number} 号", "en": f"Lane {number}"},
                        "lane_class": "standard",
                        "turnstile": {"bus": "simulated", "unit": number, "profile": "pulse_coil_drill"},
                        "camera": {"url": "simulated-scanner"},
                    }
                    for number in range(1, gate.lanes + 1)
                ],
            }
            for gate in scene.gates
        ],
        "products": [
            {
                "code": "single",
                "name": {"zh": "单次票", "en": "Single entry"},
                "lane_classes": ["standard", "fast"],
                "quota_per_day": 2_000_000,
                "prices": prices,
                "units": units,
            }
        ],
        "tariff": {"version": "load.1", "currency": "CNY"},
        "lane_limits": {"passage_timeout_ms": 1_200, "repeat_code_ms": 500, "poll_idle_ms": 250, "poll_active_ms": 20},
        "runtime": {"pricing_shards": 2, "lanes_per_actor": LANES_PER_ACTOR},
    }


def order_of(day: DayPlayed, speed: float, seconds: float, truth: Path) -> LoadOrder:
    """The load that the day's busiest stretch is at that speed."""
    tally = day.tally
    stretch = busiest((span for spans in tally.lane_busy.values() for span in spans), seconds * speed)
    copied = sum(tally.cheats[kind].tried for kind in ("shared_pass", "copied_code") if kind in tally.cheats)
    forged, wrong_day = tally.refusals["forged_code"], tally.refusals["wrong_day"]
    mix = LoadMix(
        honest=max(1, tally.scans - copied - forged - wrong_day),
        again_here=0.0,
        again_elsewhere=copied,
        twin=0.0,
        forged=forged,
        not_ours=0.0,
        wrong_day=wrong_day,
    )
    least, most = (min(OPEN_MS, ms / speed) for ms in LIVELY_MS)
    persons = max(1, stretch.persons)
    return LoadOrder(str(truth), persons / seconds, persons, day.seed, mix, hesitate=0.0, turn_ms=(least, most))


async def run_real(
    day: DayPlayed, speed: float, seconds: float, told: Told, leaving_s: float = LEAVING_S, shown: Shown = lambda share: None
) -> RealPlayed:
    """Open the site, let the stretch come, close. Raises Unavailable.

    Who has not been served `leaving_s` after the last one came is sent home: `unserved` counts them. `shown` takes what share
    of the tickets is bought, then what share of the guests has come."""
    folder = Path(tempfile.mkdtemp(prefix="snowgate-sim-"))
    site_file, data = folder / "rehearsed.yaml", folder / "data"
    site_file.write_text(yaml.safe_dump(site_tree(day.scene), allow_unicode=True), encoding="utf-8")
    order = order_of(day, speed, seconds, folder / "truth.jsonl")
    site = OpenSite(Opening(site_file, data, day.seed, 0, guests=False), told)
    runtime = places(data).runtime
    try:
        await site.open()
        told(f"{order.scans} guests at {order.rate_per_s:.0f} a second …")
        tally, used = await _load(site, order, seconds + leaving_s, told, shown)
        told("reading what SQL has …")
        if not await site.cluster.drain_journal(DRAIN_S):
            raise Unavailable("The journal", f"it was not drained within {DRAIN_S:g} s")
        events = await _events(site)
        held = held_against(events, [record for record in read_truth(Path(order.truth)) if isinstance(record, ArmTurned)])
        held["duplicates"] = await site.journal.duplicates()
    finally:
        await site.close()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(runtime, ignore_errors=True)
    figures = _figures(day.scene, order, tally, events, speed) | held
    figures |= {f"cores_{name}": cores for name, cores in used.ours.items()}
    figures |= {"cores_machine": used.machine, "most_waiting": used.most_waiting}
    limits = {"asked_rate_per_s": order.rate_per_s}
    ratios = {"rate_over_asked": figures["rate_per_s"] / order.rate_per_s}
    found = Measured("sim real", day.seed, machine(), figures, limits, ratios)
    return RealPlayed(found, bottleneck_said(used), course_of(events), used.ours)


async def _load(site: OpenSite, order: LoadOrder, patience_s: float, told: Told, shown: Shown) -> tuple[LoadTally, LoadUse]:
    """Buy, let them come, and wait until the last has left. Answers the tally, and cores used by kind of process meanwhile."""
    stage = site.stage
    if stage is None:
        raise Unavailable("The rehearsal stage", "the site has none")
    key = await site.accounts.create_channel_key("load guests", "kiosk")
    await stage.load(site.address, key, site.local_day(), order)
    buying_s = BUYING_S + order.scans / TICKETS_PER_S

    def bought(tally: LoadTally) -> bool:
        shown(tally.bought / max(1, tally.planned))
        return tally.phase in ("running", "done")

    most_waiting = 0

    def left(tally: LoadTally) -> bool:
        nonlocal most_waiting
        most_waiting = max(most_waiting, tally.waiting)
        shown(tally.presented / max(1, tally.planned))
        return tally.done

    if not await _reached(site, bought, buying_s):
        raise Unavailable("The load", f"its tickets were not bought within {buying_s:.0f} s")
    told("the guests are coming …")
    before, began, busy_before_s = await asyncio.to_thread(cpu_by_kind), site.clock.now(), machine_busy_s()
    served = await _reached(site, left, patience_s)
    tally = await stage.tally()
    after, took_s = await asyncio.to_thread(cpu_by_kind), site.clock.now().ms_since(began) / 1000
    ours = {name: round(max(0.0, used - before.get(name, 0.0)) / took_s, 3) for name, used in after.items()}
    use = LoadUse(ours, round((machine_busy_s() - busy_before_s) / took_s, 3), most_waiting)
    if not served:
        told("not everybody could be served; the rest go home …")
        await stage.pause()
        await site.cluster.until_quiet(QUIET_S)
        tally = msgspec.structs.replace(await stage.tally(), running_s=tally.running_s)
    return tally, use


async def _reached(site: OpenSite, reached: Callable[[LoadTally], bool], patience_s: float) -> bool:
    """Whether the load came so far in that time. Raises Unavailable when it failed."""
    assert site.stage is not None
    try:
        async with asyncio.timeout(patience_s):
            while not reached(tally := await site.stage.tally()):
                if tally.phase == "failed":
                    raise Unavailable("The load", tally.problem.rstrip("."))
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        return False
    return True


async def _events(site: OpenSite) -> list[JournalEvent]:
    events: list[JournalEvent] = []
    seq = 0
    while page := await site.journal.events_after(seq, PAGE):
        events += [stored.event for stored in page]
        seq = page[-1].seq
    return events


def held_against(events: Iterable[JournalEvent], turned: Iterable[ArmTurned]) -> dict[str, float]:
    """Turns that SQL does not have, and passages that no arm made."""
    journal: Counter[str] = Counter()
    for event in events:
        if isinstance(event, PassageConfirmed):
            journal[event.lane_id] += 1
        elif isinstance(event, PassageUncontrolled):
            journal[event.lane_id] += event.rotations
    steel = Counter(record.lane for record in turned)
    return {
        "turns": steel.total(),
        "lost_passages": (steel - journal).total(),
        "invented_passages": (journal - steel).total(),
    }


def machine_busy_s() -> float:
    """Processor seconds that all programs of this machine have used since it started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def cpu_by_kind() -> dict[str, float]:
    """Processor seconds so far of this process and all below it, by kind."""
    used: dict[str, float] = {}
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
            kind = kind_of(process.cmdline())
            used[kind] = used.get(kind, 0.0) + times.user + times.system
        except psutil.Error:
            continue
    return used


def kind_of(command: list[str]) -> str:
    """What a process is for: `lanes`, `gates`, `ledger`, `stage`, `ray`, or the `site` itself and the rest of its actors."""
    words = " ".join(command)
    marks = {"ray::LaneActor": "lanes", "ray::GateActor": "gates", "valkey": "ledger", "sim.stage": "stage"}
    marks |= {"ray::": "actors", "raylet": "ray", "gcs_server": "ray", "/ray/": "ray"}
    return next((kind for mark, kind in marks.items() if mark in words), "site")


def bottleneck_said(used: LoadUse) -> Text:
    """Which kind of process took most, against the cores that there are; and whether the machine had any left."""
    if not used.ours:
        return Text("瓶颈未知", "Bottleneck: unknown")
    worst, cores, whole = max(used.ours, key=lambda name: used.ours[name]), psutil.cpu_count() or 1, sum(used.ours.values())
    full = used.machine >= FULL_SHARE * cores
    zh, en = ("处理器已满", "the processor is full") if full else ("处理器未满", "not the processor")
    kind, most, others = KINDS[worst], used.ours[worst], max(0.0, used.machine - whole)
    return Text(
        f"瓶颈：{zh}；用得最多的是{kind.zh}，占 {cores} 核中的 {most:.2f}，"
        f"本系统与模拟设备共 {whole:.2f}，其他程序 {others:.2f}",
        f"Bottleneck: {en}; most of it went to {kind.en}, {most:.2f} of {cores} cores, {whole:.2f} to the whole site with its "
        f"stage, {others:.2f} to other programs",
    )


def _figures(scene: Scenario, order: LoadOrder, tally: LoadTally, events: list[JournalEvent], speed: float) -> dict[str, float]:
    return {
        **summarise(events),
        "speed": speed,
        "lanes": sum(gate.lanes for gate in scene.gates),
        "guests": order.scans,
        "presented": tally.presented,
        "unserved": order.scans - tally.turns - tally.refused - tally.gave_up,
        "refused_seen": tally.refused,
        "gave_up": tally.gave_up,
        "running_s": tally.running_s,
        "rate_per_s": tally.presented / tally.running_s if tally.running_s else 0.0,
        **{f"shop_order_{name}_ms": value for name, value in tally.orders_ms.items()},
    }
