"""The report of a virtual day: one HTML file with everything in it, in Chinese and English. It shows; it judges nothing."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from resort.access.reasons import Reason, explain
from resort.errors import Unavailable
from resort.texts import Text
from sim.mountain.day_figures import bottleneck, day_figures, entrances
from sim.mountain.report_pictures import STATE_NAMES, STATES, bars, clock, courses, heat, lanes, minutes, percentiles
from sim.mountain.resort_day import DayPlayed
from sim.mountain.tally import SAMPLE_S, Decided, Place

EFFECT_S = 600.0
DECISIONS_SHOWN = 40
CHEAT_NAMES = {
    "shared_pass": Text("共用雪卡", "shared pass"),
    "copied_code": Text("复制票码", "copied code"),
    "tailgating": Text("尾随", "tailgating"),
    "brute_force": Text("猜码", "invented codes"),
}
STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Noto Sans SC","PingFang SC",sans-serif;color:#22303c;background:#fff;
max-width:1160px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .4rem}p{margin:.3rem 0}
.soft{color:#6b7a88;fill:#6b7a88}.lead{font-size:1.1rem;border-left:4px solid #2a68a4;padding:.4rem .8rem;background:#f2f6f9}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(125px,1fr));gap:.6rem;margin:1.2rem 0}
.tile{border:1px solid #d5dce2;border-radius:6px;padding:.5rem .7rem}.tile b{display:block;font-size:1.35rem}
svg{width:100%;height:auto;font:12px system-ui,"Noto Sans CJK SC","Noto Sans SC",sans-serif}svg text{fill:#22303c}
svg text.soft{fill:#6b7a88;font-size:11px}table{border-collapse:collapse;width:100%;font-size:.92rem}
td,th{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #e3e7eb;vertical-align:top}td.n,th.n{text-align:right}
.key i{display:inline-block;width:14px;height:10px;margin:0 .3rem 0 1rem}
"""


def write_report(day: DayPlayed, path: Path) -> None:
    """Write the page. Raises Unavailable when the file cannot be written."""
    save_page(report_page(day), path)


def save_page(page: str, path: Path) -> None:
    """Likewise, for any page."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Unavailable("The report", f"{path} cannot be written: {error.strerror}") from None


def report_page(day: DayPlayed) -> str:
    """The page."""
    name, scene, tally = day.scene.name, day.scene, day.tally
    opens_min, ends_s = scene.day.opens.hour * 60 + scene.day.opens.minute, scene.day.minutes * 60.0
    waiting = [place for place in tally.places.values() if place.kind != "restaurant"]
    worst, doors = bottleneck(day), entrances(day)
    marks = [decided.at_s for decided in tally.decided if decided.place in {place.id for place in doors}]
    parts = [
        f"<h1>{escape(name.zh)} · {escape(name.en)}</h1>",
        f'<p class="soft">{scene.day.date} · {scene.day.kind} · {scene.day.weather} · seed {day.seed} · '
        f"{escape(scene.steering.policy)} · journal {day.digest[:16]}…</p>",
        f'<p class="lead">{escape(worst.text.zh)}。<br>{escape(worst.text.en)}.</p>',
        tiles(_tiles(day_figures(day))),
        head(
            Text("排队热图", "Queues over time"),
            "每格 5 分钟内最多人数 · most persons within five minutes; at the right, of the day",
        ),
        heat(list(tally.places.values()), opens_min),
        head(Text("入口排队与决策时刻", "Queues at entrances, and when something was decided"), "persons"),
        courses(doors, marks, ends_s, opens_min),
        head(Text("等候时间", "Waits"), "中位数 · 95% · 99% of guests"),
        percentiles(waiting),
        head(Text("通道状态与忙碌程度", "Lanes: state, and how busy"), _key()),
        lanes(tally, ends_s, opens_min),
        head(Text("拒绝原因", "Refusals by reason"), "闸机实际拒绝 · as the lanes wrote them down"),
        bars([(explain(Reason(reason)), count) for reason, count in tally.refusals.items()]),
        _cheats(day),
        _decisions(day, opens_min),
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>{escape(name.en)}</title><style>{STYLE}</style>{body}\n'
    )


def _tiles(figures: dict[str, float]) -> list[tuple[Text, str]]:
    return [
        (Text("客人", "guests"), f"{figures['guests']:,.0f}"),
        (Text("通过闸机", "passages"), f"{figures['passages']:,.0f}"),
        (Text("人均乘坐", "rides a guest"), f"{figures['rides_per_guest']:.1f}"),
        (Text("入口等候 95%", "entrance wait, 95 %"), minutes(figures["entrance_wait_p95_s"])),
        (Text("索道等候中位数", "lift wait, median"), minutes(figures["line_wait_p50_s"])),
        (Text("索道等候 95%", "lift wait, 95 %"), minutes(figures["line_wait_p95_s"])),
        (Text("多走的路", "extra walk"), minutes(figures["extra_walk_mean_s"])),
        (Text("开放通道小时", "lane hours open"), f"{figures['lane_hours_open']:.0f}"),
    ]


def tiles(shown: Sequence[tuple[Text, str]]) -> str:
    """Figures, a tile each."""
    made = "".join(
        f'<div class="tile"><b>{value}</b>{escape(name.zh)}<br><span class="soft">{escape(name.en)}</span></div>'
        for name, value in shown
    )
    return f'<div class="tiles">{made}</div>'


def head(name: Text, says: str) -> str:
    """A heading in both languages, and what is shown below it."""
    return f'<h2>{escape(name.zh)} · {escape(name.en)}</h2><p class="soft key">{says}</p>'


def _key() -> str:
    keys = "".join(f'<i style="background:{STATES[s]}"></i>{n.zh} · {n.en}' for s, n in STATE_NAMES.items())
    return f'{keys}<i style="background:#2f7d4f"></i>有人通行 · somebody in it'


def _cheats(day: DayPlayed) -> str:
    if not day.tally.cheats:
        return ""
    rows = "".join(
        f"<tr><td>{CHEAT_NAMES[kind].zh} · {CHEAT_NAMES[kind].en}<td class=n>{count.tried}<td class=n>{count.admitted}"
        f"<td class=n>{count.refused}<td class=n>{count.noticed}"
        for kind, count in sorted(day.tally.cheats.items())
    )
    titles = (
        "<th>方式 · kind<th class=n>尝试 · tried<th class=n>进入 · got in<th class=n>被拒 · refused<th class=n>发现 · noticed"
    )
    return head(Text("作弊", "Cheats"), "实际结果 · what really came of it") + f"<table><tr>{titles}{rows}</table>"


def _decisions(day: DayPlayed, opens_min: int) -> str:
    """What was decided, with the queue of the place then and ten minutes later."""
    decided = sorted(day.tally.decided, key=lambda one: one.at_s)
    if not decided:
        return ""
    shown = _most_telling(day, decided)
    rows = []
    for one in shown:
        place = day.tally.places[one.place]
        before, after = _queue_at(place, one.at_s), _queue_at(place, one.at_s + EFFECT_S)
        rows.append(
            f"<tr><td>{clock(one.at_s, opens_min)}<td>{escape(one.text.zh)}<br><span class=soft>{escape(one.text.en)}</span>"
            f"<td class=n>{before}<td class=n>{after}<td class=n>{after - before:+d}"
        )
    says = (
        f"{len(decided)} 项决策, 显示影响最大的 {len(shown)} 项 · {len(decided)} decisions, the {len(shown)} that changed most"
    )
    titles = "<th>时间 · at<th>决策 · decision<th class=n>排队 · queue<th class=n>10 min 后 · later<th class=n>变化 · change"
    return head(Text("决策与效果", "Decisions and their effect"), says) + f"<table><tr>{titles}{''.join(rows)}</table>"


def _most_telling(day: DayPlayed, decided: Sequence[Decided]) -> list[Decided]:
    """Incidents all, others by how much the queue changed; in the order of the day."""

    def weight(one: Decided) -> float:
        place = day.tally.places[one.place]
        change = abs(_queue_at(place, one.at_s + EFFECT_S) - _queue_at(place, one.at_s))
        return float("inf") if one.text.en.endswith("(incident)") else change

    kept = sorted(decided, key=weight, reverse=True)[:DECISIONS_SHOWN]
    return sorted(kept, key=lambda one: one.at_s)


def _queue_at(place: Place, at_s: float) -> int:
    if not place.queue:
        return 0
    return place.queue[min(len(place.queue) - 1, int(at_s // SAMPLE_S))]
