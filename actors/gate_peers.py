"""The other gates of the site as one gate asks them: all at once, none for longer than a moment."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from actors.ledger_links import Handover, PeerGate, Route
from resort.errors import LedgerUnavailable
from resort.ids import GateId

PEER_S = 0.3
T = TypeVar("T")


class GatePeers:
    """One per gate. Lists are in the order of the gates' names; None stands for a gate that is away or cannot tell."""

    def __init__(self, own: GateId, peers: Mapping[GateId, PeerGate]) -> None:
        self.gate_ids = [own, *peers]
        self._own = own
        self._peers = list(peers.values())

    def __len__(self) -> int:
        return len(self._peers)

    async def routes(self) -> list[Route | None]:
        """How they stand."""
        return await asyncio.gather(*(quietly(partial(peer.route, self._own)) for peer in self._peers))

    async def collect(self, term: int, least: int) -> list[Handover | None]:
        """What their lanes did with tickets that are at home here, see `PeerGate`."""
        return await asyncio.gather(*(quietly(partial(peer.collect, term, self._own, least)) for peer in self._peers))


def highest_term(routes: Sequence[Route | None]) -> int:
    """Of those that are known, 0 if none is."""
    return max((route.term for route in routes if route is not None), default=0)


def any_at_ledger(routes: Sequence[Route | None]) -> bool:
    """Whether somebody decides on the ledger."""
    return any(route is not None and route.kind == "ledger" for route in routes)


async def quietly(ask: Callable[[], Awaitable[T]]) -> T | None:
    """The answer, None when who was asked is away."""
    try:
        async with asyncio.timeout(PEER_S):
            return await ask()
    except (LedgerUnavailable, TimeoutError):
        return None
