"""What a lane tells its gate: the shape of it, and nothing of how it is found out."""

from datetime import datetime

import msgspec


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
