"""What staff ordered for the lanes of one gate: in SQL, and in a file beside the spools for when SQL is away.

SQL is the truth and is written first. The file is what the gate knew last: it lets a gate that starts while SQL is away serve
its lanes. Not here: the orders themselves (`lane_modes.py`, `lane_policies.py`).
"""

import asyncio
import contextlib
import logging
from datetime import datetime
from pathlib import Path

import msgspec

from resort.errors import DatabaseUnavailable
from resort.messages import StaffActed
from resort.site import LaneClass
from storage.database import Database
from storage.lane_modes import LaneModes
from storage.lane_policies import LanePolicies
from storage.whole_file import replace_file

_log = logging.getLogger("snowgate.gate")


class LaneOrders(msgspec.Struct, frozen=True):
    """The last order for each lane that ever had one, by lane id."""

    modes: dict[str, str] = {}
    policies: dict[str, frozenset[LaneClass]] = {}


class KeptLaneOrders:
    """The orders of a site as one gate keeps them. `file` is this gate's alone."""

    def __init__(self, database: Database, file: Path) -> None:
        self.current = False  # they were read from SQL since this was made
        self._modes = LaneModes(database)
        self._policies = LanePolicies(database)
        self._file = file
        self._known = LaneOrders()
        self._turn = asyncio.Lock()  # one change at a time, so that the file is never older than what was answered

    async def load(self) -> LaneOrders:
        """From SQL, else from the file. Raises DatabaseUnavailable when there is neither."""
        async with self._turn:
            try:
                self._known = LaneOrders(await self._modes.get_all(), await self._policies.get_all())
            except DatabaseUnavailable as error:
                kept = await asyncio.to_thread(self._kept)
                if kept is None:
                    raise
                _log.warning("the orders for lanes are those of %s: %s", self._file.name, error.detail)
                self._known = kept
                return kept
            self.current = True
            await self._keep()
            return self._known

    async def set_mode(self, lane_id: str, mode: str, by: str, at: datetime, acted: StaffActed) -> None:
        """See `LaneModes.set`."""
        async with self._turn:
            await self._modes.set(lane_id, mode, by, at, acted)
            self._known = LaneOrders({**self._known.modes, lane_id: mode}, self._known.policies)
            await self._keep()

    async def set_policy(self, lane_id: str, admits: frozenset[LaneClass], by: str, at: datetime, acted: StaffActed) -> None:
        """See `LanePolicies.set`."""
        async with self._turn:
            await self._policies.set(lane_id, admits, by, at, acted)
            self._known = LaneOrders(self._known.modes, {**self._known.policies, lane_id: admits})
            await self._keep()

    async def note(self, acted: StaffActed) -> None:
        """The journal has to be told of this, which changes no order. Raises DatabaseUnavailable."""
        await self._modes.note(acted)

    async def _keep(self) -> None:
        try:
            await asyncio.to_thread(self._write, msgspec.json.encode(self._known))
        except OSError as error:  # SQL has them; rather no file than an old one
            _log.warning("%s cannot be written: %s", self._file.name, error.strerror)
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)

    def _write(self, content: bytes) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # a gate may be quicker than the lanes' spools
        replace_file(self._file, content)

    def _kept(self) -> LaneOrders | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=LaneOrders)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("%s cannot be read: %s", self._file.name, error)
            return None
