"""Ends actors that hang: Ray starts a process again that ended, not one that is there and does nothing.

Lanes are not looked at here: their gates know sooner, and they are ended by the watch (`orchestrator/actor.py`).
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

import ray
from ray.exceptions import ActorDiedError, RayError

from actors.names import FEED, JOURNAL, NAMESPACE, gate_name, inference_name, pricing_name
from resort.clock import NS_PER_MS, Clock
from resort.site import Site

ANSWER_S = 1.0
HUNG_MS = 30_000.0  # without an answer, for one that answered
START_MS = 180_000.0  # likewise for one that is being started: a crowded machine takes long over it
_log = logging.getLogger("snowgate.orchestrator")


def watched_actors(site: Site) -> list[str]:
    """The site's actors but lanes and the orchestrator itself."""
    readers = site.faces.inference_actors if site.faces is not None else 0
    return [
        JOURNAL,
        FEED,
        *(gate_name(gate.id) for gate in site.gates),
        *(pricing_name(shard) for shard in range(site.runtime.pricing_shards)),
        *(inference_name(shard) for shard in range(readers)),
    ]


async def ping_actor(name: str) -> None:
    """Return when the actor answers. Raises RayError when it cannot be reached, ActorDiedError when it has ended."""
    await ray.get_actor(name, namespace=NAMESPACE).ping.remote()


def end_actor(name: str) -> None:
    """End the process of an actor, which is started again."""
    with contextlib.suppress(RayError, ValueError):
        ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=False)


class HungActors:
    """Remembers until when each actor has to answer."""

    def __init__(
        self,
        names: Sequence[str],
        clock: Clock,
        ping: Callable[[str], Awaitable[None]] = ping_actor,
        end: Callable[[str], None] = end_actor,
    ) -> None:
        self._clock = clock
        self._ping = ping
        self._end = end
        self._due_ns: dict[str, int] = {name: self._after(START_MS) for name in names}

    async def look(self) -> None:
        """Ask each; end those that are overdue. Takes `ANSWER_S` at most."""
        await asyncio.gather(*(self._look_at(name) for name in self._due_ns))

    async def _look_at(self, name: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._ping(name)
        except (ActorDiedError, ValueError):
            self._due_ns[name] = self._after(START_MS)
        except (RayError, TimeoutError):  # Ray gives up on the connection of a process that stands still, too
            if self._clock.now().tick_ns >= self._due_ns[name]:
                _log.error("%s does not answer for too long: its process is ended and started again", name)
                self._due_ns[name] = self._after(START_MS)
                self._end(name)
        else:
            self._due_ns[name] = self._after(HUNG_MS)

    def _after(self, wait_ms: float) -> int:
        return self._clock.now().tick_ns + round(wait_ms * NS_PER_MS)
