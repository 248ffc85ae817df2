"""What a spool knows of its file: which segments count, which events SQL may not have, and what to write where. No I/O.

A round of writing is a `Round`: planned here, written by `storage/spool.py`, then taken as done (`take`) or as failed
(`fail`). One round at a time.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from resort.errors import SpoolFull
from resort.ids import LaneId
from resort.messages import GrantIssued, GrantOutcome, JournalEvent, decode_event, encode_event
from storage.spool_file import HEAD, Mark, SpoolContent, pack_event, pack_mark

# Room that must be left, in segments: a grant leaves room for everything that may follow it, other events for outcomes.
LEFT_BY_GRANTS = 2
LEFT_BY_OTHERS = 1
MARK_EVERY = 256  # confirmed events after which the file is told of them
PART = "The spool"
_GONE = -1


@dataclass(slots=True)
class Kept:
    """An event on disk that SQL may not have. `place` grows with every event, `generation` says in which segment it is."""

    event: JournalEvent
    place: int
    generation: int


@dataclass(slots=True)
class Round:
    """What one round of writing does, and how things stand once it is done."""

    index: int
    generation: int
    position: int
    newest: int  # highest generation ever used, also by rounds that failed
    opened: dict[int, int] = field(default_factory=dict)  # generation -> segment
    writes: list[tuple[int, bytearray]] = field(default_factory=list)  # offset, bytes
    placed: list[tuple[JournalEvent, int]] = field(default_factory=list)
    moved: list[tuple[Kept, int]] = field(default_factory=list)
    marked: int = 0  # confirmed events that the round tells the file of
    told: bool = False  # the round has a mark


class SpoolBook:
    """The book of one file of segments of `segment` bytes, `allocated` of which are on disk."""

    def __init__(self, segment: int, allocated: int) -> None:
        self.segment = segment
        self.allocated = allocated
        self.suspect: set[int] = set()  # generations whose place cannot be trusted: their events are written anew elsewhere
        self._index, self._generation, self._position = -1, 0, segment  # no segment is being written yet
        self._newest = 0
        self._segments: dict[int, int] = {}  # generation -> segment, of those that count
        self._waiting: dict[int, int] = {}  # generation -> events that SQL may not have
        self._kept: dict[LaneId, deque[Kept]] = {}
        self._last: dict[LaneId, int] = {}
        self._stored: dict[LaneId, int] = {}
        self._unmarked = 0  # events confirmed that the file does not know of
        self._moved = False  # events were written anew, and the file does not know yet that their old places do not count
        self._places = 0

    # ---- what SQL does not have

    def unconfirmed(self) -> list[JournalEvent]:
        """Events on disk that SQL may not have, in the order they were appended."""
        kept = [each for of_lane in self._kept.values() for each in of_lane]
        kept.sort(key=lambda each: each.place)
        return [each.event for each in kept]

    def confirm(self, stored: Mapping[LaneId, int]) -> None:
        """Forget every event of these lanes up to these numbers."""
        for lane_id, number in stored.items():
            of_lane = self._kept.get(lane_id)
            self._stored[lane_id] = max(number, self._stored.get(lane_id, 0))
            while of_lane and of_lane[0].event.lane_seq <= number:
                gone = of_lane.popleft()
                self._waiting[gone.generation] -= 1
                gone.generation = _GONE
                self._unmarked += 1
        self._drop_empty()

    def last_seq(self, lane_id: LaneId) -> int:
        """The highest number of a lane's events that this spool ever had, 0 if none."""
        return self._last.get(lane_id, 0)

    def room(self) -> int:
        """Bytes that can be written before anything more is confirmed."""
        return self.segment - self._position + (self.allocated - len(self._segments)) * self.segment

    # ---- a round

    def begin(self) -> Round:
        """A round that does nothing yet, but to write anew what cannot be trusted. Raises SpoolFull when there is no room
        for that; then nothing can be written at all."""
        plan = Round(self._index, self._generation, self._position, self._newest)
        if not self.suspect:
            return plan
        self._open_segment(plan)
        for of_lane in self._kept.values():
            for kept in of_lane:
                if kept.generation in self.suspect:
                    self._put_event(plan, encode_event(kept.event))
                    plan.moved.append((kept, plan.generation))
        return plan

    def place(self, plan: Round, events: Sequence[JournalEvent], bodies: Sequence[bytes]) -> None:
        """Add events to a round. Raises SpoolFull when they do not leave the room they must."""
        left = self._room_after(plan, bodies)
        if left < _leaves(events) * self.segment:
            raise no_room()
        if (self._moved and not plan.told) or self._unmarked - plan.marked >= MARK_EVERY:
            self.mark(plan)
        for event, body in zip(events, bodies, strict=True):
            self._put_event(plan, body)
            plan.placed.append((event, plan.generation))

    def mark(self, plan: Round) -> None:
        """Tell the file what was confirmed, if that fits where it is being written."""
        record = self._mark(plan)
        due = (self._moved and not plan.told) or self._unmarked > plan.marked
        if due and plan.index >= 0 and len(record) <= self.segment - plan.position:
            self._put(plan, record)
            plan.marked, plan.told = self._unmarked, True

    def take(self, plan: Round) -> None:
        """The round is on disk."""
        self._newest = plan.newest
        self._index, self._generation, self._position = plan.index, plan.generation, plan.position
        self._segments |= plan.opened
        for generation in plan.opened:
            self._waiting.setdefault(generation, 0)
        for event, generation in plan.placed:
            self._keep(event, generation)
        for kept, generation in plan.moved:
            if kept.generation != _GONE:
                self._waiting[kept.generation] -= 1
                kept.generation = generation
                self._waiting[generation] += 1
        self._unmarked -= plan.marked
        self._moved = bool(self.suspect)
        self.suspect.clear()
        self._drop_empty()

    def fail(self, plan: Round) -> None:
        """Nobody knows what of the round is on disk: neither it nor what shares its segment counts where it is."""
        self._newest = plan.newest
        if self._generation:
            self.suspect.add(self._generation)

    # ---- recovering

    def recover(self, content: SpoolContent) -> bool:
        """Take what a file says, on a fresh book. False when something of it was unreadable: then what could be read is to
        be written anew."""
        self._last |= content.last
        self._stored |= content.stored
        if content.segments:
            newest = content.segments[-1]
            self._index, self._generation, self._position = newest.index, newest.generation, newest.end
            self._newest = newest.generation
            self._segments = {each.generation: each.index for each in content.segments if each.generation in content.live}
            self._segments[newest.generation] = newest.index
            self._waiting = dict.fromkeys(self._segments, 0)
        events, unreadable = decoded(content)
        known: set[str] = set()
        for generation, event in events:
            self._last[event.lane_id] = max(event.lane_seq, self._last.get(event.lane_id, 0))
            if event.lane_seq > self._stored.get(event.lane_id, 0) and event.event_id not in known:
                known.add(event.event_id)
                self._keep(event, generation)
        whole = not content.damaged and not unreadable
        if not whole:
            self.suspect = set(self._segments)
        self._drop_empty()
        return whole

    # ---- parts

    def _room_after(self, plan: Round, bodies: Sequence[bytes]) -> int:
        """Bytes that are left behind these bodies; below 0 when they do not fit."""
        rest = self.segment - plan.position
        free = self.allocated - len(self._segments) - len(plan.opened)
        for body in bodies:
            if HEAD + len(body) > rest:
                free -= 1
                rest = self.segment - len(self._mark(plan))
            rest -= HEAD + len(body)
        return rest + free * self.segment if free >= 0 else -1

    def _put_event(self, plan: Round, body: bytes) -> None:
        if HEAD + len(body) > self.segment - plan.position:
            self._open_segment(plan)
        self._put(plan, pack_event(plan.generation, body))

    def _put(self, plan: Round, record: bytes) -> None:
        offset = plan.index * self.segment + plan.position
        if plan.writes and plan.writes[-1][0] + len(plan.writes[-1][1]) == offset:
            plan.writes[-1][1].extend(record)
        else:
            plan.writes.append((offset, bytearray(record)))
        plan.position += len(record)

    def _open_segment(self, plan: Round) -> None:
        taken = {*self._segments.values(), *plan.opened.values()}
        free = next((index for index in range(self.allocated) if index not in taken), None)
        if free is None:
            raise no_room()
        plan.newest += 1
        plan.opened[plan.newest] = free
        plan.index, plan.generation, plan.position = free, plan.newest, 0
        self._put(plan, self._mark(plan))
        plan.marked, plan.told = self._unmarked, True

    def _mark(self, plan: Round) -> bytes:
        live = {generation for generation, waiting in self._waiting.items() if waiting}
        live |= {self._generation, *plan.opened, plan.generation}
        # Suspects too: what is written anew in this very round may be torn, and then their old place is all there is.
        return pack_mark(plan.generation, Mark(sorted(live - {0}), dict(self._last), dict(self._stored)))

    def _keep(self, event: JournalEvent, generation: int) -> None:
        self._places += 1
        lane_id = event.lane_id
        self._kept.setdefault(lane_id, deque()).append(Kept(event, self._places, generation))
        self._waiting[generation] += 1
        self._last[lane_id] = max(event.lane_seq, self._last.get(lane_id, 0))

    def _drop_empty(self) -> None:
        for generation in [each for each, waiting in self._waiting.items() if not waiting and each != self._generation]:
            del self._waiting[generation]
            del self._segments[generation]


def decoded(content: SpoolContent) -> tuple[list[tuple[int, JournalEvent]], int]:
    """Generation and event of all that counts, oldest first, and how many are no events."""
    events: list[tuple[int, JournalEvent]] = []
    unreadable = 0
    for generation, body in content.bodies():
        try:
            events.append((generation, decode_event(body)))
        except msgspec.MsgspecError:
            unreadable += 1
    return events, unreadable


def no_room() -> SpoolFull:
    """The error of a full spool."""
    return SpoolFull(PART, "it is full of events that the database does not have yet")


def _leaves(events: Sequence[JournalEvent]) -> int:
    if any(isinstance(event, GrantIssued) for event in events):
        return LEFT_BY_GRANTS
    return 0 if all(isinstance(event, GrantOutcome) for event in events) else LEFT_BY_OTHERS
