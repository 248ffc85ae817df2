"""What the guests of one lane hear and see of results beside the turnstile's own lamp: a speaker and a lamp, each in a task of
its own. No rules here (`resort/access/lane_voice.py`) and no devices.

Promise: `tell` takes no time and never fails, whatever the speaker and the lamp do. The newest result wins: what still sounds
of the one before is cut off, nothing queues, and no phrase holds the speaker for longer than `LONGEST_S`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from devices.lamp_relay import open_lamp
from devices.modbus_bus import BusRegistry
from devices.speaker import open_speaker
from devices.speech_phrases import LanePhrases, lane_phrases
from resort.access.lamp_patterns import PATTERNS, PatternName
from resort.access.lane_voice import TellGuest
from resort.clock import Clock
from resort.errors import InvalidConfig, SnowgateError
from resort.ports import ResultLamp, Speaker
from resort.site import LaneSite, Site
from resort.site_sounds import percent_at

LONGEST_S = 30.0  # for one result in all languages
DARK_S = 0.5
_log = logging.getLogger("snowgate.lane")


class Results(Protocol):
    """Who is told the results of a lane."""

    def tell(self, result: TellGuest) -> None:
        """Say and show it; at once, and never raises."""
        ...


class NoResults:
    """A lane with the turnstile's own lamp only."""

    def tell(self, result: TellGuest) -> None:
        """Nobody is told."""

    async def close(self) -> None:
        """Nothing to free."""


T = TypeVar("T")


class _Newest(Generic[T]):
    """One task that does the newest thing it was told, and drops what it was at when there is something newer."""

    def __init__(self, name: str, part: str, do: Callable[[T], Coroutine[object, object, None]]) -> None:
        self._name, self._part, self._do = name, part, do
        self._newest: T | None = None
        self._wake = asyncio.Event()
        self._away = False
        self._task = asyncio.create_task(self._run(), name=f"lane {name} {part}")

    def put(self, what: T) -> None:
        """Do this from now on."""
        self._newest = what
        self._wake.set()

    async def stop(self) -> None:
        """End the task and what it is at."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            assert self._newest is not None
            doing = asyncio.create_task(self._try(self._newest))
            newer = asyncio.create_task(self._wake.wait())
            try:
                await asyncio.wait((doing, newer), return_when=asyncio.FIRST_COMPLETED)
            finally:
                doing.cancel()
                newer.cancel()
                await asyncio.gather(doing, newer, return_exceptions=True)

    async def _try(self, what: T) -> None:
        """One warning when the device goes, one line when it is back. Nothing of this may end the lane."""
        try:
            await self._do(what)
        except (SnowgateError, TimeoutError) as error:
            if not self._away:
                _log.warning("lane %s: its %s fails: %s", self._name, self._part, str(error) or "it takes too long")
            self._away = True
        except Exception:
            if not self._away:
                _log.exception("lane %s: its %s failed unexpectedly", self._name, self._part)
            self._away = True
        else:
            if self._away:
                _log.info("lane %s: its %s works again", self._name, self._part)
            self._away = False


class LaneResults:
    """Tells results with a speaker, a lamp, or both. Make it inside a running loop, `close` it in the end."""

    def __init__(
        self, lane: str, speaker: Speaker, phrases: LanePhrases, lamp: ResultLamp | None, percent: Callable[[], int]
    ) -> None:
        self._speaker = speaker
        self._phrases = phrases
        self._lamp = lamp
        self._percent = percent
        self._voice = _Newest(lane, "speaker", self._say)
        self._light = _Newest(lane, "lamp", self._show) if lamp is not None else None
        if self._light is not None:
            self._light.put("idle")  # a process that was killed may have left it green

    def tell(self, result: TellGuest) -> None:
        """Say and show it. An empty cue leaves what is being said; the lamp always shows the newest."""
        if result.cue:
            self._voice.put(result.cue)
        if self._light is not None:
            self._light.put(result.pattern)

    async def close(self) -> None:
        """Stop, with the lamp dark if it can be reached, and free the devices."""
        await self._voice.stop()
        await self._speaker.close()
        if self._light is not None and self._lamp is not None:
            await self._light.stop()
            with contextlib.suppress(SnowgateError, TimeoutError):
                async with asyncio.timeout(DARK_S):
                    await self._lamp.light(frozenset())
            await self._lamp.close()

    async def _say(self, cue: str) -> None:
        percent = self._percent()
        if percent == 0:
            return
        async with asyncio.timeout(LONGEST_S):
            for clip in await asyncio.to_thread(self._phrases.clips, cue):
                await self._speaker.play(clip, percent)

    async def _show(self, name: PatternName) -> None:
        lamp, pattern = self._lamp, PATTERNS[name]
        assert lamp is not None
        while True:
            for step in pattern.steps:
                await lamp.light(frozenset(step.lit))
                if step.ms:
                    await asyncio.sleep(step.ms / 1000)
            if not pattern.repeats:
                return


def lane_results(site: Site, lane: LaneSite, folder: Path, buses: BusRegistry, clock: Clock) -> LaneResults | NoResults:
    """What that lane tells with; `folder` is where the site's spoken phrases are. What is wrong with a clip pack or an address
    was told before the site opened: now it costs the sound and the lamp, never the lane."""
    if lane.speaker.address is None and lane.lamp is None:
        return NoResults()
    try:
        phrases = lane_phrases(lane.speaker, folder)
        speaker = open_speaker(lane.speaker.address, clock)
        lamp = open_lamp(buses, lane.lamp) if lane.lamp is not None else None
    except InvalidConfig as error:
        _log.warning("lane %s tells nothing: %s", lane.id, error)
        return NoResults()
    return LaneResults(str(lane.id), speaker, phrases, lamp, lambda: percent_at(site, clock.now().at))
