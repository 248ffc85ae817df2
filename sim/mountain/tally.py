"""What is counted on a virtual day: waits, queues, lanes, refusals, cheats and decisions. No rules, and nothing is drawn."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Literal

from resort.messages import JournalEvent, LaneChanged, PassageConfirmed, PassageUncontrolled, ScanRefused
from resort.texts import Text

PlaceKind = Literal["gate", "line", "hall", "restaurant"]
SAMPLE_S = 60.0


@dataclass(slots=True)
class Place:
    """Somewhere people wait. `queue` has one number a sample."""

    id: str
    kind: PlaceKind
    name: Text
    servers: float = 1.0
    waits_s: list[float] = field(default_factory=list)  # one a guest
    came_s: list[float] = field(default_factory=list)  # when each of them began to wait
    queue: list[int] = field(default_factory=list)
    busy_s: float = 0.0  # server seconds
    open_s: float = 0.0  # server seconds in which it could have served


@dataclass(frozen=True, slots=True)
class Decided:
    """What the orchestrator did. The effect is read from the queue of `place` before and after."""

    at_s: float
    place: str
    text: Text


@dataclass(slots=True)
class CheatCount:
    """What came of one kind of cheating. `noticed`: turns without a grant that the journal calls by their name."""

    tried: int = 0
    admitted: int = 0
    refused: int = 0
    noticed: int = 0


@dataclass(slots=True)
class Tally:
    """Everything counted."""

    places: dict[str, Place] = field(default_factory=dict)
    lanes: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))  # by lane: second and state
    lane_busy: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))  # begin and end
    refusals: Counter[str] = field(default_factory=Counter)
    honest_refused: Counter[str] = field(default_factory=Counter)  # guests with a valid ticket, by reason
    cheats: dict[str, CheatCount] = field(default_factory=lambda: defaultdict(CheatCount))
    decided: list[Decided] = field(default_factory=list)
    sample_s: list[float] = field(default_factory=list)
    guests: int = 0
    parties: int = 0
    entered: int = 0
    left: int = 0
    rides: int = 0
    scans: int = 0
    passages: int = 0
    uncontrolled: int = 0
    by_hand: int = 0
    lunches: int = 0
    no_table: int = 0
    rerouted: int = 0
    evacuated: int = 0
    evacuation_s: float = 0.0
    chairs: Counter[str] = field(default_factory=Counter)  # sent, by lift
    seated: Counter[str] = field(default_factory=Counter)
    extra_walk_s: float = 0.0
    orders: Counter[str] = field(default_factory=Counter)

    def place(self, place_id: str, kind: PlaceKind, name: Text, servers: float = 1.0) -> Place:
        """A new place."""
        self.places[place_id] = Place(place_id, kind, name, servers)
        return self.places[place_id]

    def hear(self, event: JournalEvent, at_s: float) -> None:
        """One event of the journal."""
        if isinstance(event, PassageConfirmed):
            self.passages += 1
        elif isinstance(event, ScanRefused):
            self.refusals[event.reason] += 1
            self.scans += 1
        elif isinstance(event, LaneChanged):
            self.lanes[event.lane_id].append((at_s, event.state))
        elif isinstance(event, PassageUncontrolled):
            self.uncontrolled += event.rotations
            if event.cause == "tailgating":
                self.cheats["tailgating"].noticed += event.rotations
