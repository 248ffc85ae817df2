"""The parts of a turnstile profile: where one value lies, and the one order that opens an arm, per style of controller.

Pure data. What a whole profile is stands in `devices/profile.py`; the keys are explained in `profiles/*.yaml`.
"""

from typing import Annotated, Literal

import msgspec

from resort.site import Strict

Table = Literal["coil", "discrete", "holding", "input"]
Kind = Literal["bit", "u16", "u32"]
Address = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
Word = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
NUMBER: Literal["number"] = "number"
OrderWords = Annotated[tuple[Word | Literal["number"], ...], msgspec.Meta(max_length=123)]


class Point(Strict, frozen=True):
    """A place to read one value from. `bit` (0 = lowest) only for kind bit inside a register; `inverted`: 0 means yes."""

    table: Table
    address: Address
    kind: Kind
    bit: Annotated[int, msgspec.Meta(ge=0, le=15)] | None = None
    inverted: bool = False

    @property
    def width(self) -> int:
        """Addresses that the value takes."""
        return 2 if self.kind == "u32" else 1


class ModePoint(Strict, frozen=True):
    """A holding register that takes one of a few named values."""

    table: Literal["holding"]
    address: Address
    values: dict[str, Word]


class PulsePoint(Strict, frozen=True, tag_field="style", tag="coil"):
    """A coil that does something once when `value` is written to it, and falls back by itself."""

    table: Literal["coil"]
    address: Address
    value: Literal[0, 1] = 1
    auto_reset: bool = True

    @property
    def width(self) -> int:
        """Addresses that the order takes."""
        return 1


class TimedRelay(Strict, frozen=True, tag_field="style", tag="timed_relay"):
    """A register, or a coil that takes a number, that closes a relay for so long; the board itself opens it again."""

    table: Literal["holding", "coil"]
    address: Address
    duration: Annotated[int, msgspec.Meta(ge=1, le=0xFFFF)]  # in the board's own unit

    @property
    def width(self) -> int:
        """Addresses that the order takes."""
        return 1


class Acknowledge(Strict, frozen=True):
    """Where a controller says what became of a numbered order. Any other result with our number tells nothing."""

    number: Point  # the number of the order that it speaks of
    result: Point
    done: Word
    refused: dict[str, Word]  # by its reason: with these the arm certainly did not open
    pending: tuple[Word, ...] = ()  # not decided yet: look again
    within_ms: Annotated[int, msgspec.Meta(ge=0, le=2_000)] = 200  # how long it is looked for
    every_ms: Annotated[int, msgspec.Meta(ge=1, le=500)] = 10  # between two looks


class CommandOrder(Strict, frozen=True, tag_field="style", tag="command"):
    """A command and a number of our own, written in one request; the controller repeats the number with a result code."""

    table: Literal["holding"]
    address: Address
    words: OrderWords
    acknowledge: Acknowledge

    @property
    def width(self) -> int:
        """Addresses that the order takes."""
        return len(self.words)


class SequenceOrder(Strict, frozen=True, tag_field="style", tag="sequence"):
    """What is wanted and a sequence number, written in one request; a number other than the last is one admission."""

    table: Literal["holding"]
    address: Address
    words: OrderWords

    @property
    def width(self) -> int:
        """Addresses that the order takes."""
        return len(self.words)


NumberedOrder = CommandOrder | SequenceOrder
EntryOrder = PulsePoint | TimedRelay | CommandOrder | SequenceOrder
