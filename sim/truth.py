"""The ground truth of a load: what guests and steel really did, in an append-only file outside the system under test.

One JSON object a line, in the order in which things happened; `k` says which kind. Written by the stage (`TruthWriter`), read
by drills (`read_truth`). No judgement here: what should have happened is the checker's business.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec

from resort.clock import Moment
from resort.errors import Invalid, Unavailable

Kind = Literal["honest", "again_here", "again_elsewhere", "twin", "forged", "not_ours", "wrong_day", "blocked"]
Ending = Literal["turned", "refused", "hesitated", "gave_up", "locked"]


class TruthRecord(msgspec.Struct, frozen=True, tag_field="k", kw_only=True):
    """One thing that happened."""

    tick_ns: int  # monotonic: comparable with every process on this machine, and with nothing after a reboot
    at_ms: int  # wall clock of the stage, milliseconds since 1970


def when(moment: Moment) -> dict[str, int]:
    """The two times of a record."""
    return {"tick_ns": moment.tick_ns, "at_ms": round(moment.at.timestamp() * 1000)}


class LoadBegan(TruthRecord, frozen=True, tag="load"):
    """The first guest may come now."""

    seed: int
    rate_per_s: float
    scans: int
    lanes: list[str]


class TicketBought(TruthRecord, frozen=True, tag="bought"):
    """A ticket in the guests' hands. All are written before `load`."""

    ticket: str
    code: str
    pool: Literal["today", "tomorrow", "blocked"]  # `blocked`: of today, and for the drill to block


class CodeShown(TruthRecord, frozen=True, tag="shown"):
    """A guest held a code up: the scanner sent its line. A guest without an answer does so again, with the next `attempt`."""

    guest: int  # his number in the plan, from 1; a twin has a number of his own
    attempt: int  # from 1
    lane: str
    kind: Kind
    ticket: str  # "" for a code that is on no ticket
    heard: bool  # whether a lane was connected to the scanner


class ArmUnlocked(TruthRecord, frozen=True, tag="unlock"):
    """A pulse unlocked the arm, or kept it unlocked. Who stood in front: guest 0 = nobody."""

    lane: str
    pulse: int  # pulses that this steel has received since the stage began, this one included
    guest: int
    kind: Kind | Literal[""]
    ticket: str


class ArmTurned(TruthRecord, frozen=True, tag="turn"):
    """The arm turned inwards and somebody is inside. `free`: under fire release, on nobody's ticket."""

    lane: str
    counter_in: int  # the steel's own counter after this turn
    guest: int
    kind: Kind | Literal[""]
    ticket: str
    free: bool


class GuestLeft(TruthRecord, frozen=True, tag="left"):
    """The guest's visit is over. `locked`: he pushed, but the arm had locked again."""

    guest: int
    lane: str
    kind: Kind
    ticket: str
    how: Ending


class DeviceOrdered(TruthRecord, frozen=True, tag="order"):
    """The drill changed a device (`release`, `fault` or `silence`) at a lane."""

    do: str
    lane: str
    on: bool


class SteelCounted(TruthRecord, frozen=True, tag="steel"):
    """What one turnstile had counted by itself since the stage began. One for each lane when the last guest has left; what the
    steel does after that is still written down, until the stage is paused."""

    lane: str
    pulses: int
    unlocks: int
    turns_in: int
    turns_out: int


Truth = LoadBegan | TicketBought | CodeShown | ArmUnlocked | ArmTurned | GuestLeft | DeviceOrdered | SteelCounted


class TruthWriter:
    """Appends records; each is handed to the kernel before `tell` returns, so a stage that is killed takes none with it."""

    def __init__(self, path: Path) -> None:
        """Open the file for appending; it is made if it is not there. Raises Unavailable."""
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unavailable("The truth file", f"{path} cannot be written: {error.strerror}") from None

    def __enter__(self) -> "TruthWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def tell(self, record: Truth) -> None:
        """Append one record. Raises Unavailable when the disk does not take it."""
        line = msgspec.json.encode(record) + b"\n"
        try:
            if os.write(self._fd, line) == len(line):
                return
            problem = "the disk is full"
        except OSError as error:
            problem = str(error.strerror)
        raise Unavailable("The truth file", problem)

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_truth(path: Path) -> Iterator[Truth]:
    """Every record of the file, in order. Raises Invalid at a line that is none; an unfinished last line is left out."""
    decoder = msgspec.json.Decoder(Truth)
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise Invalid(f"{path.name} line {number}", str(error)) from None
