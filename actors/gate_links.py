"""Gates, lanes and the journal as each other's links (`actors/ledger_links.py`), over Ray.

Every failure of a call becomes LedgerUnavailable: whoever asks has another way to go on.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from actors.ledger_links import Handover, Route
from actors.names import JOURNAL, NAMESPACE, gate_name, lane_name
from resort.access.entitlement import TicketRecord, Usage
from resort.errors import LedgerUnavailable, SnowgateError
from resort.ids import GateId, LaneId, TicketId
from resort.messages import JournalEvent, TicketEvent
from resort.ports import Conflict, LaneMemory
from storage.spool import SUFFIX, read_spool

ANSWER_S = 0.5
HOLD_S = 1.0  # all guests of the site wait meanwhile, so an attempt that cannot succeed is given up soon
STORE_S = 5.0


def spool_path(folder: str, first_lane_id: str) -> Path:
    """The spool of the process that hosts this lane, and perhaps the next ones."""
    return Path(folder) / f"{first_lane_id}{SUFFIX}"


class _Link:
    """One named actor. The handle is looked up once and again after it failed."""

    def __init__(self, name: str, what: str) -> None:
        self._name = name
        self._what = what
        self._handle: Any = None

    async def _ask(self, method: str, *arguments: object, timeout_s: float = ANSWER_S) -> Any:
        try:
            if self._handle is None:
                self._handle = await asyncio.to_thread(ray.get_actor, self._name, namespace=NAMESPACE)
            async with asyncio.timeout(timeout_s):
                return await getattr(self._handle, method).remote(*arguments)
        except (RayError, ValueError, TimeoutError) as error:
            self._handle = None
            cause = getattr(error, "cause", None)
            if isinstance(cause, LedgerUnavailable):
                raise cause from None
            detail = str(cause) if isinstance(cause, SnowgateError) else "it is away"
            raise LedgerUnavailable(self._what, detail) from error


class GateLink(_Link):
    """A gate actor as `HomeGate` and `PeerGate`."""

    def __init__(self, gate_id: GateId) -> None:
        super().__init__(gate_name(gate_id), f"Gate {gate_id}")

    async def lost(self, route: Route) -> Route:
        """See `HomeGate`."""
        answer: Route = await self._ask("ledger_lost", route)
        return answer

    async def find(self, route: Route, ticket_id: TicketId) -> TicketRecord | None:
        """See `HomeGate`."""
        answer: TicketRecord | None = await self._ask("home_find", route, ticket_id)
        return answer

    async def commit(self, route: Route, event: TicketEvent, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """See `HomeGate`."""
        answer: Conflict | None = await self._ask("home_commit", route, event, expected, usage)
        return answer

    async def memory(self, lane_id: LaneId) -> LaneMemory:
        """See `HomeGate`."""
        answer: LaneMemory = await self._ask("home_memory", lane_id)
        return answer

    async def collect(self, term: int, home: GateId, least: int) -> Handover:
        """See `PeerGate`."""
        answer: Handover = await self._ask("collect", term, home, least)
        return answer

    async def route(self, asker: GateId | None = None) -> Route:
        """See `PeerGate`."""
        answer: Route = await self._ask("ledger_route", asker)
        return answer

    async def hold(self, term: int, without: Sequence[GateId] = ()) -> Handover:
        """See `PeerGate`."""
        answer: Handover = await self._ask("hold", term, without, timeout_s=HOLD_S)
        return answer

    async def resume(self, term: int, whole: int) -> None:
        """See `PeerGate`."""
        await self._ask("resume", term, whole)

    async def keep(self, term: int) -> None:
        """See `PeerGate`."""
        await self._ask("keep", term)

    async def release(self, term: int) -> None:
        """See `PeerGate`."""
        await self._ask("release", term)


class LanesLink(_Link):
    """The process that hosts lanes, as `HostedLanes`. When it is dead, its spool is read in its place.

    A gate runs on the machine of its lanes, so that it can: the lock on the file tells for certain that nobody writes it.
    """

    def __init__(self, first_lane_id: LaneId, spool: Path) -> None:
        super().__init__(lane_name(first_lane_id), f"The process of lane {first_lane_id}")
        self._spool = spool

    async def fence(self, term: int, tick_ns: int) -> Handover:
        """See `HostedLanes`."""
        return await self._or_spool(self._ask("fence_ledger", term, tick_ns))

    async def hold(self, term: int, tick_ns: int) -> Handover:
        """See `HostedLanes`."""
        return await self._or_spool(self._ask("hold_ledger", term, tick_ns, timeout_s=HOLD_S))

    async def take_route(self, route: Route, tick_ns: int) -> None:
        """See `HostedLanes`."""
        await self._ask("take_route", route, tick_ns)

    async def resume(self, term: int, whole: int) -> None:
        """See `HostedLanes`."""
        await self._ask("resume_ledger", term, whole)

    async def end(self) -> None:
        """See `HostedLanes`."""
        with contextlib.suppress(RayError, ValueError):  # it is gone already
            ray.kill(ray.get_actor(self._name, namespace=NAMESPACE), no_restart=False)

    async def route(self) -> Route:
        """See `HostedLanes`."""
        answer: Route = await self._ask("ledger_route")
        return answer

    async def _or_spool(self, answer: Awaitable[Any]) -> Handover:
        try:
            handover: Handover = await answer
        except LedgerUnavailable:
            events = await asyncio.to_thread(read_spool, self._spool)
            if events is None:
                raise
            return Handover(events)
        return handover


class RayJournal(_Link):
    """The journal actor as `JournalLink`."""

    def __init__(self) -> None:
        super().__init__(JOURNAL, "The journal")

    async def take_spooled(self, events: Sequence[JournalEvent]) -> dict[LaneId, int]:
        """See `JournalLink`."""
        answer: dict[LaneId, int] = await self._ask("take_spooled", list(events), timeout_s=STORE_S)
        return answer

    async def rejoin(self, term: int) -> None:
        """See `JournalLink`."""
        await self._ask("rejoin", term)
