"""The crowd of the rehearsal on paper: how it behaves, the codes in its hands, and what it counts. No time passes here."""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from resort.access.codes import KEY_BYTES, SiteKeys, issue_code
from resort.ids import SeededIds
from resort.site import LaneClass

Behaviour = Literal[
    "honest",
    "used",
    "wrong_day",
    "forged",
    "not_ours",
    "unreadable",
    "hesitant",
    "wrong_lane",
    "holder",
    "borrowed",
    "alone",
    "stranger",
]
GOOD: frozenset[Behaviour] = frozenset({"honest", "hesitant"})  # these hold a ticket that lets them in here today
FACED: frozenset[Behaviour] = frozenset({"holder", "borrowed", "alone"})  # these hold one and show a face, maybe another's
USED_KEPT = 200


class Crowd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the crowd behaves. Weights of behaviours; seconds of everything else, as (least, most)."""

    weights: tuple[tuple[Behaviour, float], ...] = (
        ("honest", 82.0),
        ("used", 5.0),  # shows a code that somebody else went through with
        ("wrong_day", 3.0),  # bought for tomorrow
        ("forged", 2.5),  # a code of the right layout that the resort did not sign
        ("not_ours", 2.0),  # some other code
        ("unreadable", 1.5),  # a ticket that was through the wash
        ("hesitant", 1.0),  # gets green, looks at the mountain until the arm locks, and shows the code again
        ("wrong_lane", 3.0),  # a standard ticket at the fast lane; honest elsewhere
    )
    arrival_s: float = 0.92  # mean gap between two guests who come to one lane
    step_up_s: tuple[float, float] = (0.08, 0.30)  # from the head of the queue to the reader
    push_s: tuple[float, float] = (0.12, 0.45)  # from the light to the turn of the arm, or of the guest
    give_up_s: float = 9.0  # nobody holds a phone up for longer than this
    lower_s: float = 3.0  # how long a hesitant guest lowers the phone before trying again
    used_rest_s: float = 6.0  # a used code comes back to the lane that saw it last only after this: sooner is no new scan
    queue_limit: int = 12  # a longer queue sends newcomers elsewhere
    party: tuple[int, int] = (1, 6)
    stock: int = 24  # tickets of each kind that are bought ahead
    face_share: float = 0.3  # of the guests at a lane that looks at faces: those who have theirs enrolled
    borrowed_share: float = 0.25  # of these: they come with the ticket of somebody else whose face is enrolled
    face_stock: int = 4  # such tickets that are bought ahead
    alone_share: float = 0.3  # of the guests at a lane that opens for a face alone: those who show nothing else
    stranger_share: float = 0.25  # of these: they hold no ticket
    alone_rest_s: float = 14.0  # who came by his face alone comes again only after this: a lane tells of nobody twice in 10 s
    stranger_s: float = 3.0  # a stranger whom nobody heeds walks away after this


@dataclass(slots=True)
class Tally:
    """What the guests did and saw."""

    presented: int = 0  # times that something was held up
    went_through: int = 0
    refused_seen: int = 0
    gave_up: int = 0  # saw neither green nor red, or found the arm locked again
    sneaked_in: int = 0  # got in with what should not let anybody in; must stay 0
    turned_away: int = 0  # were refused with a good ticket
    orders: int = 0
    orders_failed: int = 0
    faces_enrolled: int = 0
    faces_shown: int = 0  # by holders of such a ticket, beside their code
    faces_let_in: int = 0
    borrowed_shown: int = 0  # likewise, with somebody else's ticket
    borrowed_let_in: int = 0  # more than none where faces could not be compared, and the site admits then
    alone_shown: int = 0  # a face and nothing else, by holders of a ticket that it may show
    alone_let_in: int = 0
    alone_refused: int = 0  # of tickets that were used up
    strangers_shown: int = 0  # likewise, by people without a ticket
    strangers_let_in: int = 0  # must stay 0


@dataclass(slots=True)
class UsedCode:
    """A code that somebody went through with, and where and when it was shown last (seconds, monotonic)."""

    code: str
    lane_id: str
    shown_s: float


@dataclass(slots=True)
class Wallets:
    """Codes in guests' hands, by what they are good for."""

    standard: deque[str] = field(default_factory=deque)
    fast: deque[str] = field(default_factory=deque)
    tomorrow: deque[str] = field(default_factory=deque)
    used: deque[UsedCode] = field(default_factory=lambda: deque(maxlen=USED_KEPT))


@dataclass(frozen=True, slots=True)
class Showing:
    """What one guest will hold up. `code` None cannot be read; with a `face` it is none."""

    behaviour: Behaviour
    code: str | None
    face: bytes | None = field(default=None, repr=False)  # a photograph that stands beside the code, or alone


class CodeDealer:
    """Deals each guest a behaviour and a code, from a lane's own dice. Who should cheat but cannot yet is honest."""

    def __init__(self, crowd: Crowd, seed: int) -> None:
        self.wallets = Wallets()
        self._crowd = crowd
        self._ids = SeededIds(f"guests {seed}")
        self._forger = SiteKeys(1, {1: random.Random(f"forger {seed}").randbytes(KEY_BYTES)})

    def deal(self, lane_id: str, lane_class: LaneClass, dice: random.Random, now_s: float) -> Showing | None:
        """What the next guest shows; None while no good ticket is left. `now_s`: monotonic seconds."""
        kinds = [kind for kind, _ in self._crowd.weights]
        behaviour = dice.choices(kinds, [weight for _, weight in self._crowd.weights])[0]
        if behaviour not in GOOD:
            showing = self._bad(behaviour, lane_id, lane_class, dice, now_s)
            if showing is not None:
                return showing
            behaviour = "honest"
        wallet = self.wallets.fast if lane_class == "fast" else self.wallets.standard
        return Showing(behaviour, wallet.popleft()) if wallet else None

    def went_through(self, code: str, lane_id: str, now_s: float) -> None:
        """The code is used from now on."""
        self.wallets.used.append(UsedCode(code, lane_id, now_s))

    def give_back(self, showing: Showing) -> None:
        """A refused ticket that is still good elsewhere returns to its wallet."""
        if showing.behaviour == "wrong_lane" and showing.code is not None:
            self.wallets.standard.append(showing.code)

    def _bad(
        self, behaviour: Behaviour, lane_id: str, lane_class: LaneClass, dice: random.Random, now_s: float
    ) -> Showing | None:
        match behaviour:
            case "forged":
                return Showing(behaviour, issue_code(self._ids.ticket_id(), self._forger))
            case "not_ours":
                return Showing(behaviour, f"HTTPS://EXAMPLE.COM/{dice.getrandbits(40):010X}")
            case "unreadable":
                return Showing(behaviour, None)
            case "used":
                code = self._used(lane_id, dice, now_s)
                return None if code is None else Showing(behaviour, code)
            case "wrong_day":
                return Showing(behaviour, self.wallets.tomorrow.popleft()) if self.wallets.tomorrow else None
            case _:
                fits = lane_class == "fast" and self.wallets.standard
                return Showing("wrong_lane", self.wallets.standard.popleft()) if fits else None

    def _used(self, lane_id: str, dice: random.Random, now_s: float) -> str | None:
        rested = now_s - self._crowd.used_rest_s
        fit = [used for used in self.wallets.used if used.lane_id != lane_id or used.shown_s <= rested]
        if not fit:
            return None
        chosen = dice.choice(fit)
        chosen.lane_id, chosen.shown_s = lane_id, now_s
        return chosen.code
