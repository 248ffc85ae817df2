"""A lane machine on a test stand: stimuli in, commands out, time by hand."""

from datetime import UTC, date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from resort.access.codes import SiteKeys, issue_code
from resort.access.entitlement import Entitlement, OpenUse, TicketRecord, Usage
from resort.access.lane_machine import LaneMachine
from resort.access.lane_messages import (
    CodeSighted,
    Command,
    GrantStored,
    PulseAcknowledged,
    Started,
    Stimulus,
    StoreGrant,
    TicketFound,
    TurnstileSeen,
)
from resort.access.lane_settings import LaneSettings
from resort.clock import ManualClock
from resort.ids import GateId, GrantId, LaneId, SeededIds, TicketId
from resort.messages import GrantIssued
from resort.ports import LaneMemory, Sighting, TurnstileStatus
from resort.site import LaneLimits

KEYS = SiteKeys(1, {1: b"k" * 32})
TICKET = TicketId("00000000000000aa")
CODE = issue_code(TICKET, KEYS)
RECORD = TicketRecord(1, Entitlement("single", "adult", date(2026, 12, 12), 1, ("standard",)), Usage())
LOCKED = TurnstileStatus(
    counter_in=7, counter_out=3, unlocked=False, fault=False, tamper=False, fire_release=False, waiting=2, firmware=1
)
OPEN = OpenUse(GrantId("g"), LaneId("north-2"), GateId("north"), "", "", date(2026, 12, 12))
ZONE = ZoneInfo("Asia/Shanghai")
SETTINGS = LaneSettings(GateId("north"), LaneId("north-1"), "standard", LaneLimits(), ZONE)
NO_MEMORY = LaneMemory(open_grant=None, counter_in=None, counter_out=None)


def status(**changes: object) -> TurnstileStatus:
    """A locked, healthy turnstile with some fields changed."""
    return msgspec.structs.replace(LOCKED, **changes)


E = TypeVar("E")


class LaneStand:
    """The machine with its clock. `tell` answers the names of the commands; the commands themselves are in `last`."""

    def __init__(self, memory: LaneMemory = NO_MEMORY, *, started: bool = True, **changes: object) -> None:
        self.clock = ManualClock(datetime(2026, 12, 12, 1, 0, tzinfo=UTC))
        settings = msgspec.structs.replace(SETTINGS, **changes)
        self.machine = LaneMachine(settings, KEYS, SeededIds("stand"))
        self.last: list[Command] = []
        self.tell(Started(memory, "open"))
        if started:
            self.see()

    def tell(self, stimulus: Stimulus) -> list[str]:
        """Give a stimulus now."""
        self.last = self.machine.handle(stimulus, self.clock.now())
        self.machine.validate()
        return [type(command).__name__ for command in self.last]

    def see(self, *, age_ms: float = 0, **changes: object) -> list[str]:
        """A reading of the turnstile that was asked for `age_ms` ago."""
        return self.tell(TurnstileSeen(status(**changes), self.clock.now().after_ms(-age_ms)))

    def show(self, text: str | None = CODE) -> list[str]:
        """A code held up now."""
        now = self.clock.now()
        return self.tell(CodeSighted(Sighting(text, now, now)))

    def grant(self, record: TicketRecord = RECORD) -> GrantIssued:
        """A guest up to the acknowledged pulse."""
        self.show()
        return self.found(record)

    def found(self, record: TicketRecord) -> GrantIssued:
        """The ticket is found and admitted, up to the acknowledged pulse."""
        self.tell(TicketFound(record))
        store = self.last[0]
        assert isinstance(store, StoreGrant)
        self.tell(GrantStored())
        self.tell(PulseAcknowledged(self.clock.now()))
        return store.grant

    def told(self, kind: type[E]) -> E:
        """The one event or outcome of this kind in the last answer."""
        events = [getattr(command, "event", None) or getattr(command, "outcome", None) for command in self.last]
        (found,) = [event for event in events if isinstance(event, kind)]
        return found

    def event(self, index: int = 0) -> object:
        """The event or outcome inside the command at `index` of the last answer."""
        command = self.last[index]
        return getattr(command, "event", None) or getattr(command, "outcome", None)
