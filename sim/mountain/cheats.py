"""Who tries to get in without a right on a virtual day: real codes at the real lanes, and what comes of it is counted."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from resort.access.codes import KEY_BYTES, SiteKeys, issue_code, step_at
from resort.ids import SeededIds
from sim.mountain.course import Course
from sim.mountain.gate import Gate
from sim.mountain.parties import Guest, Party
from sim.mountain.scenario import Scenario
from sim.mountain.tally import Tally

BEGINS_S, ENDS_S = 3_600.0, 18_000.0  # within which they come, after opening
SCREENSHOT_S = (20.0, 120.0)  # how old a picture of a phone's code is when it is shown
CHEAT_PARTY = 900_000_000  # numbers of their parties
AGAIN_S = 2.0
KINDS = ("shared_pass", "copied_code", "tailgating", "brute_force")


@dataclass(slots=True)
class Cheats:
    """Plans them by `plan`. `inside` are guests on the mountain with tickets; `stray` lets one loose behind a gate."""

    scene: Scenario
    course: Course
    tally: Tally
    keys: SiteKeys
    ids: SeededIds
    entrances: list[Gate]
    inside: list[Guest]
    stray: Callable[[Party, Gate], None]
    seed: int
    _shown: dict[Guest, int] = field(default_factory=dict)

    def plan(self) -> None:
        """Draw when they come."""
        for kind in KINDS:
            dice = random.Random(f"{self.seed} {kind}")
            for number in range(getattr(self.scene.cheats, kind)):
                at_s = dice.uniform(BEGINS_S, min(ENDS_S, self.scene.day.minutes * 60 - BEGINS_S))
                self.course.do(at_s, self._come, kind, number, dice.randrange(2**32))

    def refused(self, gate: Gate, guest: Guest) -> None:
        """A cheat was turned away."""
        count = self.tally.cheats[guest.cheat]
        tried = self._shown[guest] = self._shown.get(guest, 0) + 1
        if guest.cheat == "brute_force" and tried < self.scene.cheats.tries:
            guest.code = self._invented(guest.party.dice)
            self.course.after(AGAIN_S, gate.line_up, guest)
            return
        count.refused += 1

    def _come(self, kind: str, number: int, seed: int) -> None:
        dice = random.Random(seed)
        gate = dice.choice(self.entrances)
        count = self.tally.cheats[kind]
        if kind == "tailgating":
            count.tried += 1
            gate.tailgaters += 1
            return
        victim = None if kind == "brute_force" else self._victim(dice, kind)
        if victim is None and kind != "brute_force":
            return
        count.tried += 1
        ticket = victim.party.ticket if victim is not None else self.scene.tickets[0]
        leaves_s = self.course.at + 7_200.0
        at_s, follows = self.course.at, 1.0
        party = Party(CHEAT_PARTY + number, at_s, 0, 1, ticket, "printed", follows, 1.0, leaves_s, None, False, dice)
        guest = self._guest(party, kind, victim)
        party.guests.append(guest)
        gate.arrive(party, lambda: self._in(party, guest, gate))

    def _in(self, party: Party, guest: Guest, gate: Gate) -> None:
        guest.cheat = ""  # on the mountain he skis like others, with the ticket that let him in
        self.stray(party, gate)

    def _guest(self, party: Party, kind: str, victim: Guest | None) -> Guest:
        if victim is None:
            return Guest(party, 1, self.ids.ticket_id(), "printed", self._invented(party.dice), "standard", kind)
        code, medium = victim.code, victim.medium
        if medium == "phone":  # a picture of it: of the step in which it was taken
            taken_s = party.dice.uniform(*SCREENSHOT_S)
            code = issue_code(victim.ticket_id, self.keys, step_at(self.course.now().after_ms(-taken_s * 1000).at))
        return Guest(party, 1, victim.ticket_id, medium, code, victim.lane_class, kind)

    def _victim(self, dice: random.Random, kind: str) -> Guest | None:
        """Somebody whose pass is lent (a card or paper), or whose code was photographed (paper or a phone)."""
        media = ("card", "printed") if kind == "shared_pass" else ("phone", "printed")
        for _ in range(50):
            if not self.inside:
                return None
            guest = dice.choice(self.inside)
            if guest.medium in media and guest.persons == 1 and guest.party.inside and not guest.cheat:
                return guest
        return None

    def _invented(self, dice: random.Random) -> str:
        """A code of the right form that nobody signed."""
        forger = SiteKeys(1, {1: dice.randbytes(KEY_BYTES)})
        return issue_code(self.ids.ticket_id(), forger)
