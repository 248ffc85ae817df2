"""A virtual day in numbers, and the place that held guests up the most. Read from what was counted; nothing is played here."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from orchestrator.measured import Measured, machine
from resort.texts import Text
from sim.mountain.resort_day import DayPlayed
from sim.mountain.tally import Place, PlaceKind

PERCENTS = (50, 95, 99)
DIGEST_DIGITS = 12  # hexadecimal: as many as a JSON number holds exactly
HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Where guests waited the longest in sum. `share` of all waiting; `used` of what it could have served."""

    place: Place
    waited_h: float
    share: float
    used: float

    @property
    def text(self) -> Text:
        """For operators."""
        name, percent, used = self.place.name, round(100 * self.share), round(100 * self.used)
        each_s = self.waited_h * HOUR_S / max(1, len(self.place.waits_s))
        return Text(
            f"瓶颈: {name.zh}。客人在此共等候 {self.waited_h:,.0f} 小时 (平均 {each_s:.0f} 秒), "
            f"占全部等候的 {percent}%, 能力利用率 {used}%",
            f"Bottleneck: {name.en}. Guests waited {self.waited_h:,.0f} hours there ({each_s:.0f} s on average), "
            f"{percent} % of all waiting; {used} % of its capacity was used",
        )


def bottleneck(day: DayPlayed) -> Bottleneck:
    """The place with the most waiting."""
    waited = {place.id: sum(place.waits_s) for place in day.tally.places.values()}
    worst = max(day.tally.places.values(), key=lambda place: waited[place.id])
    total = sum(waited.values())
    used = worst.busy_s / worst.open_s if worst.open_s else 0.0
    return Bottleneck(worst, waited[worst.id] / HOUR_S, waited[worst.id] / total if total else 0.0, min(1.0, used))


def entrances(day: DayPlayed) -> list[Place]:
    """The places that signs can name."""
    return [day.tally.places[gate.id] for gate in day.scene.gates if not gate.lift]


def measured(day: DayPlayed) -> Measured:
    """The day in the one shape of everything that measures."""
    tally, figures = day.tally, day_figures(day)
    lifts = day.scene.lifts
    hours = day.scene.day.minutes / 60
    limits = {
        "lift_seats_per_h": sum(lift.seats * HOUR_S / lift.interval_s for lift in lifts),
        "lane_hours_all_open": sum(gate.lanes for gate in day.scene.gates) * hours,
    }
    work_h = sum(tally.places[gate.id].busy_s for gate in day.scene.gates) / HOUR_S
    ratios = {
        "rides_over_seats": tally.rides / (limits["lift_seats_per_h"] * hours),
        "lane_hours_over_work": figures["lane_hours_open"] / work_h if work_h else 0.0,
        "seats_filled": sum(tally.seated.values()) / max(1, sum(c * _seats(day, i) for i, c in tally.chairs.items())),
    }
    return Measured("sim", day.seed, machine(), _rounded(figures), _rounded(limits), _rounded(ratios))


def day_figures(day: DayPlayed) -> dict[str, float]:
    """Counts, waits in seconds, and what came of refusals, cheats and orders."""
    tally = day.tally
    figures: dict[str, float] = {
        "guests": tally.guests,
        "parties": tally.parties,
        "passages": tally.passages,
        "scans": tally.scans,
        "rides": tally.rides,
        "rides_per_guest": tally.rides / max(1, tally.guests),
        "went_home": tally.left,
        "left_in_line": day.inside_at_end,
        "journal_events": day.events,
        "journal_digest_head": int(day.digest[:DIGEST_DIGITS], 16),
        "admitted_by_hand": tally.by_hand,
        "uncontrolled_turns": tally.uncontrolled,
        "ledger_conflicts": day.conflicts,
        "lunches": tally.lunches,
        "found_no_table": tally.no_table,
        "rerouted": tally.rerouted,
        "evacuated": tally.evacuated,
        "evacuation_s": tally.evacuation_s,
        "extra_walk_mean_s": tally.extra_walk_s / max(1, tally.guests),
        "decisions": len(tally.decided),
        "refused_honest": sum(tally.honest_refused.values()),
        "lane_hours_open": sum(tally.places[gate.id].open_s for gate in day.scene.gates) / HOUR_S,
        "places_oversold": day.oversold,
    }
    groups: dict[str, list[Place]] = {"entrance": entrances(day)}
    before_lifts = [tally.places[gate.id] for gate in day.scene.gates if gate.lift]
    groups |= {"lift_gate": before_lifts, "line": _of(day, "line"), "hall": _of(day, "hall")}
    for name, places in groups.items():
        figures |= waits(name, places)
        figures[f"{name}_largest_queue"] = max((max(place.queue, default=0) for place in places), default=0)
    figures["delay_mean_s"] = figures["entrance_wait_mean_s"] + figures["extra_walk_mean_s"]
    figures |= {f"refused_{reason}": count for reason, count in sorted(tally.refusals.items())}
    for kind, count in sorted(tally.cheats.items()):
        figures |= {f"cheat_{kind}_tried": count.tried, f"cheat_{kind}_admitted": count.admitted}
        figures |= {f"cheat_{kind}_refused": count.refused, f"cheat_{kind}_noticed": count.noticed}
    return figures | {f"sale_{name}": count for name, count in sorted(tally.orders.items())}


def waits(name: str, places: Iterable[Place]) -> dict[str, float]:
    """Mean and percentiles of all waits at these places."""
    found = np.concatenate([np.array(place.waits_s) for place in places] or [np.zeros(0)])
    if not len(found):
        found = np.zeros(1)
    figures = {f"{name}_wait_mean_s": float(found.mean())}
    return figures | {f"{name}_wait_p{p}_s": float(np.percentile(found, p)) for p in PERCENTS}


def _of(day: DayPlayed, kind: PlaceKind) -> list[Place]:
    return [place for place in day.tally.places.values() if place.kind == kind]


def _seats(day: DayPlayed, lift_id: str) -> int:
    return next(lift.seats for lift in day.scene.lifts if lift.id == lift_id)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}
