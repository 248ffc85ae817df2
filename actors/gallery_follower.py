"""Keeps one shard's galleries as the stored faces are: told of changes, and looking by itself.

A promise about forgetting depends on this file: a gallery that could not be compared with the store for `STALE_MS` is thrown
away, so that whoever was forgotten meanwhile is found nowhere.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Protocol, TypeVar

from actors.face_galleries import FaceGalleries
from resort.clock import Clock, Moment
from resort.errors import FacesUnavailable, SnowgateError
from resort.faces import FaceChanges

PAGE = 1000
STALE_MS = 45_000  # less than the minute in which a face is to be forgotten everywhere
WHAT = "The gallery"

T = TypeVar("T")
_log = logging.getLogger("snowgate.inference")


class Bench(Protocol):
    """Where work on galleries is done: one thread."""

    async def run(self, work: Callable[[], T]) -> T:
        """Its outcome, in turn."""
        ...


class GalleryFollower:
    """Use `catch_up` on news and `look` every few seconds; `ask` works on what is known."""

    def __init__(
        self,
        changes: FaceChanges,
        make: Callable[[date], FaceGalleries],
        today: Callable[[], date],
        clock: Clock,
        bench: Bench,
    ) -> None:
        """`make`: empty galleries of this shard on a service day."""
        self._changes = changes
        self._make = make
        self._today = today
        self._clock = clock
        self._bench = bench
        self._galleries: FaceGalleries | None = None
        self._read: Moment | None = None  # when the last whole reading began
        self._turn = asyncio.Lock()
        self._asked = 0
        self._answered = 0
        self._away = False

    @property
    def holders(self) -> int | None:
        """Today's holders in this shard; None: it cannot be asked now."""
        return None if self._galleries is None or self._stale else self._galleries.holders

    async def catch_up(self) -> None:
        """Take every change that was stored before this call. Raises what the store raises, such as DatabaseUnavailable."""
        self._asked += 1
        asked = self._asked
        async with self._turn:
            if self._answered < asked:  # else somebody who waited before has read for this caller too
                reading = self._asked
                await self._read_on()
                self._answered = reading

    async def look(self) -> None:
        """The same, by itself: a failure is logged once, and lasting it costs the gallery. Never raises a SnowgateError."""
        try:
            await self.catch_up()
        except SnowgateError as error:
            if not self._away:
                _log.warning("the stored faces cannot be read: %s", error)
            self._away = True
            if self._galleries is not None and self._stale:
                _log.warning("the gallery is thrown away: it could not be compared with the stored faces for too long")
                self._galleries = None
        else:
            if self._away:
                _log.info("the stored faces are read again")
            self._away = False

    async def ask(self, question: Callable[[FaceGalleries], T]) -> T:
        """The answer of the galleries as they are today. Raises FacesUnavailable when they are not whole."""
        galleries = self._galleries
        if galleries is None or self._stale:
            raise FacesUnavailable(WHAT, "it is being read from the stored faces")
        today = self._today()

        def answer() -> T:
            if not galleries.turn_to(today):
                raise FacesUnavailable(WHAT, "the day was set back, and it is being read again")
            return question(galleries)

        return await self._bench.run(answer)

    @property
    def _stale(self) -> bool:
        return self._read is None or self._clock.now().ms_since(self._read) > STALE_MS

    async def _read_on(self) -> None:
        """Page by page to the end; galleries that are new are shown when they are whole."""
        began, today = self._clock.now(), self._today()
        galleries = await self._turned(today)
        if galleries is None:
            galleries = self._make(today)
        foreign = galleries.foreign
        while page := await self._changes.after(galleries.version, PAGE):
            await self._bench.run(partial(galleries.take, page))
        if galleries.foreign > foreign:
            _log.warning("%s faces were made by another model and must be enrolled again", galleries.foreign - foreign)
        self._galleries, self._read = galleries, began

    async def _turned(self, today: date) -> FaceGalleries | None:
        """The galleries, brought to `today`; None: there are none that can be."""
        galleries = self._galleries
        if galleries is None or not await self._bench.run(partial(galleries.turn_to, today)):
            return None
        return galleries
