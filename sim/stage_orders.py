"""The lines that go through the stage's pipes, one JSON object each. `orchestrator/stages.py` says what each order means."""

from datetime import date

import msgspec

from orchestrator.stages import LoadOrder, LoadTally


class StageOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of input. `do`: open, load, go, tally, pause, release, fault, silence or stop."""

    do: str
    number: int = 0  # comes back with the answer
    console: str = ""
    channel_key: str = ""
    day: date | None = None
    lane: str = ""
    on: bool = False
    obeys: bool = False  # of silence: what is asked is done, and only never answered
    load: LoadOrder | None = None

    def __repr__(self) -> str:
        return f"StageOrder({self.do} {self.number})"  # never the key


class StageReady(msgspec.Struct, frozen=True):
    """The first line of output: where the devices are, or why there are none."""

    ready: bool
    buses: dict[str, str] = {}
    cameras: dict[str, str] = {}
    problem: str = ""


class StageAnswer(msgspec.Struct, frozen=True):
    """One line of output after each order. `paused` says that the lanes are empty, with the guests' counts; `tick_ns` when a
    device was told."""

    number: int = 0
    problem: str = ""
    paused: bool = False
    tick_ns: int = 0
    counts: dict[str, int] = {}
    tally: LoadTally | None = None
