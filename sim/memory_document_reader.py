"""A document reader and a height sensor without hardware: `resort.ports.DocumentReader` and `HeightSensor`."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from resort.clock import Clock
from resort.documents import DocumentKind, DocumentRead, DocumentSeen, blind
from resort.heights import HeightBand, HeightLimits, height_band

KEPT = 4


class MemoryDocumentReader:
    """Documents are held to it by `present`. As with a real one, the newest few wait for whoever fetches them."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._waiting: deque[DocumentSeen] = deque(maxlen=KEPT)
        self._news = asyncio.Event()
        self._closed = False

    def present(self, kind: DocumentKind, number: str, birth_year: int | None = None) -> None:
        """Hold one up. Raises Invalid on a number that cannot be."""
        self._waiting.append(blind(DocumentRead(kind, number, birth_year, self._clock.now()), self._key))
        self._news.set()

    async def documents(self) -> AsyncIterator[DocumentSeen]:
        """See the port."""
        while not self._closed:
            if self._waiting:
                yield self._waiting.popleft()
                continue
            self._news.clear()
            await self._news.wait()

    async def close(self) -> None:
        """See the port. Idempotent."""
        self._closed = True
        self._news.set()


class MemoryHeightSensor:
    """Somebody of `height_cm` stands under it; None: nobody."""

    def __init__(self, limits: HeightLimits) -> None:
        self.height_cm: float | None = None
        self._limits = limits

    async def band(self) -> HeightBand | None:
        """See the port."""
        return None if self.height_cm is None else height_band(self.height_cm, self._limits)

    async def close(self) -> None:
        """See the port."""
