"""Synthetic days as rows, and what rules and score make of them: the ground on which the bench and the trainer stand."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from ml_models.abnormal import AbnormalModel, Rows
from resort.incidents import NO_SCORE, IncidentBook
from resort.messages import GrantIssued, ScanRefused
from resort.scan_oddities import Oddities, Oddity, S
from sim.scan_attacks import KINDS, Attack, play

NEVER = 2.0  # a threshold that no score reaches


class SeenDay(msgspec.Struct, frozen=True):
    """A day's looks, whose they are (-1: of nobody who means harm), and its attacks."""

    looks: list[Oddity]
    whose: list[int]
    attacks: list[Attack]
    scans: int

    @property
    def rows(self) -> Rows:
        """Shape (looks, columns)."""
        return np.array([look.row for look in self.looks], dtype=np.float32)

    @property
    def guilty(self) -> npt.NDArray[np.float64]:
        """1 where the look is of an attack."""
        return np.array([float(number >= 0) for number in self.whose])

    def without(self, kind: str) -> npt.NDArray[np.bool_]:
        """Which looks are of no attack of that kind."""
        return np.array([number < 0 or self.attacks[number].kind != kind for number in self.whose])


class Outcome(msgspec.Struct):
    """What came of days: attacks by kind, how many were told, alerts that were about nothing, and all alerts."""

    attacks: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    told: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    false: int = 0
    alerts: int = 0
    days: int = 0

    @property
    def recall(self) -> float:
        """Of all kinds together."""
        return sum(self.told.values()) / sum(self.attacks.values())

    @property
    def false_a_day(self) -> float:
        """Alerts that were about nothing."""
        return self.false / self.days

    def recall_of(self, kind: str) -> float:
        """Of one kind."""
        return self.told[kind] / self.attacks[kind]


def see(seed: int) -> SeenDay:
    """Play a day and look at it."""
    played, watch = play(seed), Oddities()
    looks, whose, scans = [], [], 0
    for event, at in played.events:
        scans += isinstance(event, GrantIssued | ScanRefused)
        look = watch.take(event, at)
        if look is not None:
            looks.append(look)
            whose.append(played.guilty.get(event.event_id, -1))
    return SeenDay(looks, whose, played.attacks, scans)


def judge(days: Sequence[SeenDay], model: AbnormalModel | None, threshold: float, *, rules: bool) -> Outcome:
    """Group looks into incidents and count: an attack is told when an alert about its subject has evidence of it.

    An alert is about nothing when no attack on its subject was going on as it was raised.
    """
    outcome = Outcome(days=len(days))
    for day in days:
        book = IncidentBook(threshold)
        scores = model.scores(day.rows).tolist() if model is not None else [NO_SCORE] * len(day.looks)
        told: set[int] = set()
        for look, number, score in zip(day.looks, day.whose, scores, strict=True):
            raised = book.add(look if rules else look._replace(rule=""), score)
            if raised is not None:
                outcome.alerts += 1
                outcome.false += not _going_on(day.attacks, look)
            if number >= 0 and book.is_alert(look.key):
                told.add(number)
        for number, attack in enumerate(day.attacks):
            outcome.attacks[attack.kind] += 1
            outcome.told[attack.kind] += number in told
    return outcome


def _going_on(attacks: Sequence[Attack], look: Oddity) -> bool:
    at_s = look.tick_ns / S
    return any(look.key in attack.keys and attack.begins_s <= at_s <= attack.ends_s for attack in attacks)
