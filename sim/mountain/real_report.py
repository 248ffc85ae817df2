"""The report of a real-time run: one HTML file with everything in it, in Chinese and English. It shows; it judges nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from orchestrator.measured import Measured
from resort.access.reasons import Reason, explain
from resort.figures import percentile
from resort.messages import GrantReleased, JournalEvent, PassageConfirmed, ScanRefused
from resort.texts import Text
from sim.mountain.report import STYLE, head, save_page, tiles
from sim.mountain.report_pictures import bars, curves
from sim.mountain.scenario import Scenario

SLICE_S = 5.0
KINDS = {
    "lanes": Text("通道进程", "lane processes"),
    "gates": Text("闸口进程", "gate processes"),
    "ledger": Text("在线票务登记", "the ledger (Valkey)"),
    "stage": Text("模拟设备与客人", "simulated devices and guests"),
    "ray": Text("Ray 本身", "Ray itself"),
    "actors": Text("流水、信息、调度、报价", "journal, feed, orchestrator, prices"),
    "site": Text("网页与启动进程", "console and opener"),
}


@dataclass(frozen=True, slots=True)
class Slice:
    """A few seconds of a run: events by when they happened; latencies in ms, 0 where nothing happened."""

    passages: int
    refused: int
    decision_p50_ms: float
    decision_p99_ms: float
    open_p99_ms: float


@dataclass(frozen=True, slots=True)
class RealPlayed:
    """A real-time run: figures, the bottleneck in a sentence, its course, and cores by kind of process."""

    found: Measured
    bottleneck: Text
    course: list[Slice]
    cores: Mapping[str, float]


def course_of(events: Sequence[JournalEvent], slice_s: float = SLICE_S) -> list[Slice]:
    """The run in slices, from the first passage or refusal on."""
    told = [event for event in events if isinstance(event, PassageConfirmed | GrantReleased | ScanRefused)]
    if not told:
        return []
    begins = min(event.at for event in told)
    slices: dict[int, list[JournalEvent]] = {}
    for event in told:
        slices.setdefault(_slice(event.at, begins, slice_s), []).append(event)
    return [_sliced(slices.get(number, [])) for number in range(max(slices) + 1)]


def write_real_report(scene: Scenario, played: RealPlayed, path: Path) -> None:
    """Write the page. Raises Unavailable when the file cannot be written."""
    save_page(real_report_page(scene, played), path)


def real_report_page(scene: Scenario, played: RealPlayed) -> str:
    """The page."""
    figures, course = played.found.figures, played.course
    refusals = [
        (explain(Reason(name.removeprefix("refused_"))), int(count))
        for name, count in figures.items()
        if name.startswith("refused_") and name != "refused_seen"
    ]
    parts = [
        f"<h1>{escape(scene.name.zh)} · {escape(scene.name.en)}</h1>",
        f'<p class="soft">{figures["speed"]:g} × · {figures["lanes"]:.0f} lanes · seed {played.found.seed} · '
        f"{escape(played.found.machine)}</p>",
        f'<p class="lead">{escape(played.bottleneck.zh)}。<br>{escape(played.bottleneck.en)}.</p>',
        tiles(_tiles(played.found)),
        head(Text("吞吐", "Throughput"), f"每 {SLICE_S:g} 秒平均, 人/秒 · persons a second, means of {SLICE_S:g} seconds"),
        curves([(Text("通过", "passages"), [piece.passages / SLICE_S for piece in course]),
                (Text("拒绝", "refusals"), [piece.refused / SLICE_S for piece in course])], SLICE_S),
        head(Text("耗时", "Latencies"), "毫秒 · ms"),
        curves([(Text("判定 50%", "decision, median"), [piece.decision_p50_ms for piece in course]),
                (Text("判定 99%", "decision, 99 %"), [piece.decision_p99_ms for piece in course]),
                (Text("扫码到开闸 99%", "scan to open, 99 %"), [piece.open_p99_ms for piece in course])], SLICE_S),
        head(Text("处理器", "Processor"), "毫核 · thousandths of a core, by kind of process"),
        bars([(KINDS[kind], round(1000 * cores)) for kind, cores in played.cores.items()]),
    ]  # fmt: skip
    if refusals:
        parts += [head(Text("拒绝原因", "Refusals by reason"), "闸机实际拒绝 · as the lanes wrote them down"), bars(refusals)]
    body = "\n".join(parts)
    title = escape(scene.name.en)
    return f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>{body}\n'


def _tiles(found: Measured) -> list[tuple[Text, str]]:
    figures = found.figures
    lost = figures["lost_passages"] + figures["invented_passages"] + figures["duplicates"]
    return [
        (Text("客人", "guests"), f"{figures['guests']:,.0f}"),
        (Text("丢失、虚构或重复", "lost, invented or double"), f"{lost:.0f}"),
        (Text("未及服务", "not served in time"), f"{figures['unserved']:,.0f}"),
        (Text("要求 人/秒", "asked a second"), f"{found.limits['asked_rate_per_s']:.0f}"),
        (Text("服务 人/秒", "served a second"), f"{figures['rate_per_s']:.0f}"),
        (Text("判定 99%", "decision, 99 %"), f"{figures['decision_p99_ms']:.0f} ms"),
        (Text("扫码到开闸 99%", "scan to open, 99 %"), f"{figures['scan_to_open_p99_ms']:.0f} ms"),
        (Text("网店下单 99%", "order at the shop, 99 %"), f"{figures.get('shop_order_p99_ms', 0.0):.0f} ms"),
    ]


def _slice(at: datetime, begins: datetime, slice_s: float) -> int:
    return int((at - begins).total_seconds() // slice_s)


def _sliced(events: Sequence[JournalEvent]) -> Slice:
    kinds = Counter(type(event) for event in events)
    ended = [event for event in events if isinstance(event, PassageConfirmed | GrantReleased)]
    refused = [event.decision_ms for event in events if isinstance(event, ScanRefused)]
    decisions = [*refused, *(event.decision_ms for event in ended if event.decision_ms is not None)]
    opens = [event.open_ms for event in ended if event.open_ms is not None]
    half, most = percentile(decisions, 50), percentile(decisions, 99)
    return Slice(kinds[PassageConfirmed], kinds[ScanRefused], half, most, percentile(opens, 99))
