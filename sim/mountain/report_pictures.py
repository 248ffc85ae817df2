"""Pictures of a virtual day as inline SVG: queues as heat, lanes as bars of time, waits by percentile. Text in, text out."""

from collections.abc import Sequence
from html import escape
from math import log

import numpy as np

from resort.texts import Text
from sim.mountain.tally import SAMPLE_S, Place, Tally

WIDTH, LEFT, RIGHT, TOP = 1120, 250, 60, 22
ROW, LANE_ROW = 20, 11
INK, SOFT = "#22303c", "#6b7a88"
# One hue from paper to dark: how full a place is. States of lanes differ in hue and in lightness.
RAMP = ((246, 248, 250), (190, 214, 232), (107, 163, 205), (42, 104, 164), (12, 44, 92))
STATES = {"ready": "#cfe6d4", "closed": "#e3e7eb", "faulted": "#d9822b", "released": "#c23b3b", "starting": "#ffffff"}
STATE_NAMES = {
    "ready": Text("开放", "open"),
    "closed": Text("关闭", "closed"),
    "faulted": Text("故障", "out of order"),
    "released": Text("消防释放", "released"),
}
BUSY = "#2f7d4f"
HUES = ("#0c2c5c", "#d9822b", "#2f7d4f", "#8e4aa8", "#c23b3b", "#6b7a88")
BIN_S = 300.0


def heat(places: Sequence[Place], opens_min: int) -> str:
    """Queues over time: a row for each place, a cell for five minutes, darker for more persons (logarithmic)."""
    rows = [place for place in places if any(place.queue)]
    if not rows:
        return ""
    bins = max(1, round(BIN_S / SAMPLE_S))
    columns = -(-max(len(place.queue) for place in rows) // bins)
    most = max(max(place.queue) for place in rows)
    cell = (WIDTH - LEFT - RIGHT) / columns
    parts = [_hours(columns * BIN_S, opens_min, TOP + ROW * len(rows))]
    for number, place in enumerate(rows):
        y = TOP + number * ROW
        parts.append(_label(y + 14, place.name))
        for column in range(columns):
            persons = max(place.queue[column * bins : (column + 1) * bins], default=0)
            if persons:
                x = LEFT + column * cell
                parts.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{cell + 0.3:.1f}" height="{ROW - 2}" '
                    f'fill="{shade(log(1 + persons) / log(1 + most))}"><title>{escape(place.name.en)}: {persons}</title></rect>'
                )
        parts.append(f'<text x="{WIDTH - RIGHT + 6}" y="{y + 14}" class="soft">{max(place.queue)}</text>')
    return _svg("".join(parts), TOP + ROW * len(rows) + 24, "queues over time")


def lanes(tally: Tally, ends_s: float, opens_min: int) -> str:
    """A row for each lane: its lasting states, and in front of an open one how busy it was in each five minutes."""
    parts = [_hours(ends_s, opens_min, TOP + LANE_ROW * len(tally.lanes))]
    scale = (WIDTH - LEFT - RIGHT) / ends_s
    for number, (lane, edges) in enumerate(tally.lanes.items()):
        y = TOP + number * LANE_ROW
        parts.append(f'<text x="{LEFT - 8}" y="{y + 9}" text-anchor="end" class="soft">{escape(lane)}</text>')
        for (at_s, state), (until_s, _) in zip(edges, [*edges[1:], (ends_s, "")], strict=True):
            if at_s < ends_s and until_s > at_s:
                width = (min(until_s, ends_s) - at_s) * scale
                parts.append(_bar(LEFT + at_s * scale, y, width, LANE_ROW - 2, STATES.get(state, "#fff")))
        for column, share in enumerate(busy_shares(tally.lane_busy.get(lane, []), ends_s)):
            if share > 0.02:
                height = (LANE_ROW - 2) * min(1.0, share)
                x = LEFT + column * BIN_S * scale
                parts.append(_bar(x, y + LANE_ROW - 2 - height, BIN_S * scale, height, BUSY))
    return _svg("".join(parts), TOP + LANE_ROW * len(tally.lanes) + 24, "lanes over time")


def busy_shares(spans: Sequence[tuple[float, float]], ends_s: float) -> list[float]:
    """Share of each five minutes in which a lane had somebody in it."""
    shares = np.zeros(int(-(-ends_s // BIN_S)))
    for began, ended in spans:
        at_s = began
        while at_s < min(ended, ends_s):
            column = int(at_s // BIN_S)
            upto = min(ended, (column + 1) * BIN_S, ends_s)
            shares[column] += (upto - at_s) / BIN_S
            at_s = upto
    return [float(share) for share in shares]


def percentiles(places: Sequence[Place]) -> str:
    """Waits: a mark at the median, a bar to 95 of 100 guests, a line to 99."""
    rows = [(place, np.percentile(place.waits_s, (50, 95, 99))) for place in places if place.waits_s]
    if not rows:
        return ""
    most = max(1.0, max(float(found[2]) for _, found in rows))
    scale = (WIDTH - LEFT - RIGHT - 110) / most
    parts = []
    for number, (place, (half, most_of, nearly_all)) in enumerate(rows):
        y = TOP + number * ROW
        parts.append(_label(y + 14, place.name))
        parts.append(_bar(LEFT, y + 8, float(nearly_all) * scale, 2, SOFT))
        parts.append(_bar(LEFT, y + 3, float(most_of) * scale, 12, "#6ba3cd"))
        parts.append(_bar(LEFT + float(half) * scale - 1, y + 1, 3, 16, "#0c2c5c"))
        says = f"{minutes(half)} · {minutes(most_of)} · {minutes(nearly_all)}"
        parts.append(f'<text x="{LEFT + float(nearly_all) * scale + 8:.1f}" y="{y + 14}" class="soft">{says}</text>')
    return _svg("".join(parts), TOP + ROW * len(rows) + 6, "waits by percentile")


def courses(places: Sequence[Place], marks_s: Sequence[float], ends_s: float, opens_min: int) -> str:
    """Queues at entrances over time, a line each, with a tick wherever something was decided."""
    most = max((max(place.queue, default=0) for place in places), default=0)
    if not most:
        return ""
    height = 180
    scale = (WIDTH - LEFT - RIGHT) / ends_s
    parts = [_hours(ends_s, opens_min, TOP + height)]
    parts += [_bar(LEFT + mark * scale, TOP + height - 6, 1, 6, SOFT) for mark in marks_s if mark < ends_s]
    for number, place in enumerate(places):
        hue = HUES[number % len(HUES)]
        dots = " ".join(
            f"{LEFT + step * SAMPLE_S * scale:.1f},{TOP + height * (1 - queue / most):.1f}"
            for step, queue in enumerate(place.queue)
        )
        parts.append(f'<polyline points="{dots}" fill="none" stroke="{hue}" stroke-width="1.6"/>')
        y = TOP + 14 + number * 18
        parts.append(_bar(4, y - 9, 12, 10, hue) + f'<text x="22" y="{y}">{_both(place.name)}</text>')
    parts.append(f'<text x="{LEFT - 8}" y="{TOP + 10}" text-anchor="end" class="soft">{most}</text>')
    return _svg("".join(parts), TOP + height + 24, "queues at entrances")


def curves(rows: Sequence[tuple[Text, Sequence[float]]], step_s: float) -> str:
    """Values over a run, a line each on one scale, a value every `step_s`."""
    most = max((max(values, default=0.0) for _, values in rows), default=0.0)
    if not most:
        return ""
    height, steps = 160, max(len(values) for _, values in rows)
    scale = (WIDTH - LEFT - RIGHT) / max(1, steps - 1)
    parts = []
    every = max(1, round(steps / 10))
    for step in range(0, steps, every):
        x = LEFT + step * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{TOP + height}" stroke="#d5dce2"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP + height + 14}" text-anchor="middle" class="soft">{step * step_s:g} s</text>')
    for number, (name, values) in enumerate(rows):
        hue = HUES[number % len(HUES)]
        dots = " ".join(
            f"{LEFT + step * scale:.1f},{TOP + height * (1 - value / most):.1f}" for step, value in enumerate(values)
        )
        parts.append(f'<polyline points="{dots}" fill="none" stroke="{hue}" stroke-width="1.6"/>')
        y = TOP + 14 + number * 18
        parts.append(_bar(4, y - 9, 12, 10, hue) + f'<text x="22" y="{y}">{_both(name)}</text>')
    parts.append(f'<text x="{LEFT - 8}" y="{TOP + 10}" text-anchor="end" class="soft">{most:.0f}</text>')
    return _svg("".join(parts), TOP + height + 24, "a run's course")


def bars(rows: Sequence[tuple[Text, int]]) -> str:
    """A bar and a number for each row, the longest first."""
    if not rows:
        return ""
    left, most = 650, max(count for _, count in rows)
    parts = []
    for number, (name, count) in enumerate(sorted(rows, key=lambda row: -row[1])):
        y = 4 + number * ROW
        parts.append(f'<text x="{left - 10}" y="{y + 14}" text-anchor="end">{_both(name)}</text>')
        width = max(1.0, (WIDTH - left - RIGHT) * count / most)
        parts.append(_bar(left, y + 3, width, 12, "#6ba3cd"))
        parts.append(f'<text x="{left + width + 6:.1f}" y="{y + 14}" class="soft">{count:,}</text>')
    return _svg("".join(parts), 8 + ROW * len(rows), "counts")


def shade(share: float) -> str:
    """A colour of the ramp, 0 to 1."""
    place = max(0.0, min(1.0, share)) * (len(RAMP) - 1)
    low = min(int(place), len(RAMP) - 2)
    mixed = [a + (b - a) * (place - low) for a, b in zip(RAMP[low], RAMP[low + 1], strict=True)]
    return "#" + "".join(f"{round(part):02x}" for part in mixed)


def minutes(seconds: float) -> str:
    """Seconds below two minutes, else minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def clock(at_s: float, opens_min: int) -> str:
    """The time of day."""
    minute = opens_min + int(at_s // 60)
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


def _hours(ends_s: float, opens_min: int, bottom: float) -> str:
    """Lines at full hours."""
    scale = (WIDTH - LEFT - RIGHT) / ends_s
    first = -opens_min % 60 * 60
    parts = []
    for at_s in range(first, int(ends_s) + 1, 3_600):
        x = LEFT + at_s * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{bottom}" stroke="#d5dce2"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle" class="soft">{clock(at_s, opens_min)}</text>')
    return "".join(parts)


def _bar(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}" fill="{fill}"/>'


def _label(y: float, name: Text) -> str:
    return f'<text x="{LEFT - 8}" y="{y}" text-anchor="end">{_both(name)}</text>'


def _both(name: Text) -> str:
    return f"{escape(name.zh)} · {escape(name.en)}"


def _svg(inside: str, height: float, says: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(says)}">{inside}</svg>'
