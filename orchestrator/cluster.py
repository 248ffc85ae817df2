"""The one place where actors are built: every actor with its name, arguments, restarts and limits beside each other.

`start_local_ray` starts a Ray of our own; `Cluster` creates the site's actors on it and knows whether they live. It opens no
windows; `orchestrator/opening.py` does.
"""

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from actors.feed import FeedActor
from actors.gate import GateActor, GateHosting
from actors.inference import InferenceActor, InferenceHosting
from actors.journal import JournalActor
from actors.lane import LaneActor, LaneHosting
from actors.names import FEED, JOURNAL, NAMESPACE, ORCHESTRATOR, gate_name, inference_name, lane_name, pricing_name
from actors.unguarded_sales import pricing_under
from orchestrator.actor import OrchestratorActor
from resort.clock import rehearse_clock
from resort.errors import Unavailable
from resort.guards import DrillSettings
from resort.site import GateSite, Site

OBJECT_STORE_BYTES = 80 * 1024 * 1024  # the smallest that Ray takes; frames and vectors never go through it
START_S = 120.0  # eighteen processes import their libraries at once: a busy machine takes its time
CLOSE_S = 5.0
RETRY_S = 0.5
QUIET_S = 0.05
_log = logging.getLogger("snowgate.cluster")


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the actors find their stores."""

    redis_url: str
    database_url: str
    key_file: Path
    site_name: str
    spools: Path
    drill: DrillSettings = field(default_factory=DrillSettings)
    phrases: Path = Path()  # the site's spoken phrases
    face_keys: Path = Path()  # the keys of stored faces
    models: Path = Path()  # the resort's own demand models

    def redis_of(self, gate_id: str) -> str:
        """Where a gate and its lanes find the ledger."""
        return self.drill.redis_urls.get(gate_id, self.redis_url)


@dataclass(frozen=True, slots=True)
class Placement:
    """One actor: its class, name and arguments, and how many of its calls may wait."""

    name: str
    cls: type
    arguments: tuple[object, ...]
    concurrency: int


def lane_hosts(site: Site) -> Iterator[tuple[GateSite, tuple[str, ...]]]:
    """Which lanes share an actor: by default none; `lanes_per_actor` groups lanes of one gate."""
    size = site.runtime.lanes_per_actor
    for gate in site.gates:
        lanes = [str(lane.id) for lane in gate.lanes]
        for index in range(0, len(lanes), size):
            yield gate, tuple(lanes[index : index + size])


def placements(site: Site, stores: Stores) -> list[Placement]:
    """Every actor of the site, in the order in which they are created."""
    hosts: dict[str, dict[str, str]] = {str(gate.id): {} for gate in site.gates}
    lanes = []
    for gate, lane_ids in lane_hosts(site):
        hosts[gate.id].update({lane_id: lane_ids[0] for lane_id in lane_ids})
        key_file, guards = str(stores.key_file), stores.drill.guards
        spools, phrases = str(stores.spools), str(stores.phrases)
        hosting = LaneHosting(
            site, gate.id, lane_ids, stores.redis_of(gate.id), key_file, stores.site_name, spools, guards, phrases
        )
        lanes.append(Placement(lane_name(lane_ids[0]), LaneActor, (hosting,), 64))
    all_hosts = {lane_id: first for of_gate in hosts.values() for lane_id, first in of_gate.items()}
    redis_url, database_url, name = stores.redis_url, stores.database_url, stores.site_name
    shards = site.runtime.pricing_shards
    processes = {gate.id: tuple(sorted(set(hosts[gate.id].values()))) for gate in site.gates}
    journal = (redis_url, database_url, name, processes, str(stores.spools), stores.drill.guards)
    return [
        Placement(JOURNAL, JournalActor, journal, 64),
        *(Placement(gate_name(gate.id), GateActor, (_gate(site, gate, hosts[gate.id], stores),), 1000) for gate in site.gates),
        *lanes,
        *(
            Placement(pricing_name(shard), pricing_under(stores.drill.guards), (shard, shards, site, database_url), 1000)
            for shard in range(shards)
        ),
        *_inference(site, stores),
        Placement(FEED, FeedActor, (site, redis_url, database_url, name), 256),
        Placement(ORCHESTRATOR, OrchestratorActor, (site, redis_url, database_url, name, all_hosts, str(stores.models)), 16),
    ]


def _inference(site: Site, stores: Stores) -> list[Placement]:
    """The pool that reads faces, of a site that has them."""
    hostings = [
        InferenceHosting(site, shard, stores.database_url, str(stores.face_keys))
        for shard in range(site.faces.inference_actors if site.faces is not None else 0)
    ]
    return [Placement(inference_name(hosting.shard), InferenceActor, (hosting,), 64) for hosting in hostings]


def _gate(site: Site, gate: GateSite, hosts: dict[str, str], stores: Stores) -> GateHosting:
    redis_url, spools = stores.redis_of(gate.id), str(stores.spools)
    return GateHosting(site, gate.id, hosts, redis_url, stores.database_url, stores.site_name, spools, stores.drill.guards)


def booted(cls: type, drill: DrillSettings = DrillSettings()) -> type:  # noqa: B008 - frozen
    """The class whose constructor is also its `start`: Ray reruns the constructor on a restart, so there is one boot path."""

    class Booted(cls):  # type: ignore[misc]  # a class made at run time
        async def __init__(self, *arguments: object) -> None:  # type: ignore[misc]  # Ray awaits it
            if drill.clock_file:
                rehearse_clock(Path(drill.clock_file), steady=drill.guards.steady_clock)
            super().__init__(*arguments)
            while True:
                try:
                    await self.start()
                    return
                except Unavailable as error:
                    # Ray gives up for ever on an actor whose constructor fails; what is away now comes back.
                    _log.warning("%s waits to start: %s", cls.__name__, error)
                    await asyncio.sleep(RETRY_S)

    Booted.__name__ = Booted.__qualname__ = cls.__name__
    return Booted


def start_local_ray(temp_folder: Path, processes: int) -> None:
    """Start a local Ray of our own: loopback, its own token, no dashboard. `processes` will run. Blocks some seconds."""
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    try:
        ray.init(
            address="local",
            namespace=NAMESPACE,
            include_dashboard=False,
            num_cpus=max(2, os.cpu_count() or 2),
            num_gpus=0,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=str(temp_folder),
            # Our actors ask for no CPU, so the usual guesses are wrong: start none in advance, and all of them at once.
            _system_config={"prestart_worker_first_driver": False, "worker_maximum_startup_concurrency": processes},
        )
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise Unavailable("Ray", str(error).splitlines()[0] if str(error) else type(error).__name__) from error


class Cluster:
    """The site's actors. Use `start`, then `alive` as often as wanted, then `stop`."""

    def __init__(self, site: Site, stores: Stores) -> None:
        self._placements = placements(site, stores)
        self._drill = stores.drill
        self._handles: dict[str, Any] = {}

    @property
    def size(self) -> int:
        """How many actors the site has."""
        return len(self._placements)

    async def start_actors(self, told: Callable[[str, int, int], None]) -> None:
        """Create every actor and wait until each answers; `told(name, ready, size)` after each. Raises Unavailable."""
        for place in self._placements:
            actor_class: Any = ray.remote(booted(place.cls, self._drill))
            self._handles[place.name] = actor_class.options(
                name=place.name,
                num_cpus=0,
                max_restarts=-1,  # supervised: a killed process is started again, for ever
                max_task_retries=0,  # a call that may have moved hardware is never repeated by Ray
                max_concurrency=place.concurrency,
            ).remote(*place.arguments)
        ready = 0
        waiting = {asyncio.ensure_future(self._answered(name)): name for name in self._handles}
        try:
            for answered in asyncio.as_completed(waiting, timeout=START_S):
                name = await answered
                ready += 1
                told(name, ready, self.size)
        except TimeoutError:
            missing = sorted(name for future, name in waiting.items() if not future.done())
            raise Unavailable(f"The actor {missing[0]}", f"it did not start within {START_S:g} s") from None
        except RayError as error:
            raise Unavailable("An actor", f"it could not start: {str(error).strip().splitlines()[-1]}") from error
        finally:
            for future in waiting:
                future.cancel()

    async def alive(self) -> list[str]:
        """The names of the actors that answer now."""
        answers = await asyncio.gather(*(self._answered(name, 3.0) for name in self._handles), return_exceptions=True)
        return [answer for answer in answers if isinstance(answer, str)]

    async def process_id(self, name: str) -> int:
        """The process of an actor that tells it by `ping` (lanes do)."""
        return int(await asyncio.wait_for(self._handles[name].ping.remote(), 5.0))

    async def until_quiet(self, patience_s: float) -> None:
        """Wait until no lane serves a guest any more, at most `patience_s`."""
        lanes = [name for name in self._handles if name.startswith("lane:")]
        with contextlib.suppress(RayError, TimeoutError):
            async with asyncio.timeout(patience_s):
                while True:
                    reports = await asyncio.gather(*(self._handles[name].report.remote() for name in lanes))
                    if not any(report.busy for of_lane in reports for report in of_lane):
                        return
                    await asyncio.sleep(QUIET_S)

    async def drain_journal(self, patience_s: float) -> bool:
        """Wait until SQL holds every event streamed so far."""
        with contextlib.suppress(RayError, TimeoutError):
            return bool(await asyncio.wait_for(self._handles[JOURNAL].drain.remote(patience_s), patience_s + 1))
        return False

    async def stop(self) -> None:
        """Close lanes first (open grants get their outcome), the journal last, then end Ray."""
        lanes = [name for name in self._handles if name.startswith("lane:")]
        await self._close(lanes)
        await self.drain_journal(2.0)
        await self._close([name for name in self._handles if name not in lanes])
        self._handles.clear()
        await asyncio.to_thread(ray.shutdown)

    async def _close(self, names: list[str]) -> None:
        calls = (asyncio.wait_for(self._handles[name].close.remote(), CLOSE_S) for name in names)
        await asyncio.gather(*calls, return_exceptions=True)

    async def _answered(self, name: str, timeout_s: float = START_S) -> str:
        await asyncio.wait_for(self._handles[name].ping.remote(), timeout_s)
        return name
