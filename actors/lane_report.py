"""What a lane tells its gate, read off its machine and its code reader."""

from datetime import datetime

import msgspec

from resort.access.lane_machine import LaneMachine
from resort.clock import Moment
from resort.ports import Audible, CodeSource, Seeing


class LaneReport(msgspec.Struct, frozen=True):
    """What a lane tells its gate once a second."""

    lane_id: str
    state: str
    detail: str
    mode: str
    waiting: int | None
    dropped: int
    pid: int = 0
    busy: bool = False  # a guest is being served, or an outcome being stored
    at: datetime | None = None  # by the lane's own clock
    tamper: bool | None = None  # None: the turnstile cannot be read
    lasting: str = ""  # what holds behind a guest's grant: the lasting state
    reader_silent_s: float | None = None  # since its code reader was last known to be there; None: it cannot tell
    spool_percent: float | None = None  # of its spool in use
    camera: str = ""  # how its camera sees, a state of `CameraView`; "" for a scanner, and before the first pictures


def report_of(machine: LaneMachine, now: Moment, *, dropped: int, busy: bool, reader_silent_s: float | None) -> LaneReport:
    """How a lane stands now, by its machine and what its shell counts."""
    status = machine.status
    return LaneReport(
        str(machine.settings.lane_id),
        "awaiting_passage" if machine.awaits_rotation else machine.lasting_state,
        machine.detail,
        machine.mode,
        status.waiting if status is not None else None,
        dropped,
        busy=busy,
        at=now.at,
        tamper=status.tamper if status is not None else None,
        lasting=machine.lasting_state,
        reader_silent_s=reader_silent_s,
    )


def camera_state(source: CodeSource) -> str:
    """How well a camera sees; "" where there is none, or nothing to tell yet."""
    view = source.view if isinstance(source, Seeing) else None
    return view.state if view is not None else ""


def reader_silent_s(source: CodeSource, began: Moment, now: Moment) -> float | None:
    """For how long a reader was not there; None for one that does not know."""
    if not isinstance(source, Audible):
        return None
    return max(0.0, now.ms_since(source.last_heard or began) / 1000)
