"""Looking at the ledger: is it there, whole, and quick enough to decide on? What follows from that is `gate_ledger.py`'s."""

import asyncio
from typing import Protocol

from resort.errors import LedgerUnavailable

PROBE_S = 0.1  # a ledger that takes longer to answer, twice in a row, counts as lost
SILENCES = 2
LATE_S = 0.03  # a time-out that rings later than this tells of this process, not of the ledger
STARVED = 8  # such time-outs in a row are taken for a loss all the same


class Asked(Protocol):
    """What a probe needs of `storage.replica_source.ReplicaSource`."""

    async def term(self) -> int | None:
        """The term of the whole ledger; None when it has lost its memory. Raises LedgerUnavailable."""
        ...


class LedgerProbe:
    """One per gate; `close` it before the source."""

    def __init__(self, source: Asked) -> None:
        self.answered = False  # somebody did when it was looked last, with or without memory
        self._source = source
        self._looking: asyncio.Task[int | None] | None = None

    async def term(self) -> int | None:
        """The term of a whole ledger; None when it is lost: away, without its memory, or too slow.

        One question at a time serves everybody: when a ledger freezes every gate is asking, and another gate that wants to know
        need not wait for a question that only begins then.
        """
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="ledger probe")
        return await asyncio.shield(self._looking)

    async def close(self) -> None:
        """End a question under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> int | None:
        try:
            term = await self._ask()
        except LedgerUnavailable:
            self.answered = False
            return None
        self.answered = True
        return term

    async def _ask(self) -> int | None:
        loop = asyncio.get_running_loop()
        silences = starved = 0
        while silences < SILENCES and starved < STARVED:
            began = loop.time()
            try:
                async with asyncio.timeout(PROBE_S):
                    return await self._source.term()
            except TimeoutError:
                if loop.time() - began > PROBE_S + LATE_S:
                    starved += 1
                else:
                    silences += 1
        raise LedgerUnavailable("The admission ledger", "it takes too long to answer")
