"""A ledger that is slow twice in a row is lost, and one question serves everybody who asks meanwhile."""

import asyncio

from actors.ledger_probe import SILENCES, LedgerProbe
from resort.errors import LedgerUnavailable


class Source:
    """Answers what it is told to, or never."""

    def __init__(self, term: int | None = 3) -> None:
        self.asked = 0
        self.frozen = False
        self.away = False
        self._term = term

    async def term(self) -> int | None:
        self.asked += 1
        if self.away:
            raise LedgerUnavailable("The admission ledger", "it is away")
        if self.frozen:
            await asyncio.Event().wait()
        return self._term


async def test_a_whole_ledger_tells_its_term_and_one_without_memory_none() -> None:
    assert await LedgerProbe(Source()).term() == 3
    forgetful = LedgerProbe(Source(None))
    assert await forgetful.term() is None
    assert forgetful.answered


async def test_one_that_is_away_is_lost_at_once() -> None:
    source = Source()
    source.away = True
    probe = LedgerProbe(source)
    assert await probe.term() is None
    assert not probe.answered
    assert source.asked == 1


async def test_a_frozen_ledger_is_lost_and_looked_at_once_for_everybody() -> None:
    source = Source()
    source.frozen = True
    probe = LedgerProbe(source)
    assert await asyncio.gather(probe.term(), probe.term(), probe.term()) == [None, None, None]
    assert source.asked == SILENCES


async def test_who_gives_up_waiting_does_not_end_the_question_of_the_others() -> None:
    source = Source()
    source.frozen = True
    probe = LedgerProbe(source)
    hasty, patient = asyncio.create_task(probe.term()), asyncio.create_task(probe.term())
    await asyncio.sleep(0)
    hasty.cancel()
    assert await patient is None
    assert hasty.cancelled()


async def test_closing_ends_the_question() -> None:
    source = Source()
    source.frozen = True
    probe = LedgerProbe(source)
    asking = asyncio.create_task(probe.term())
    await asyncio.sleep(0)
    await probe.close()
    await asyncio.gather(asking, return_exceptions=True)
    assert asking.cancelled()
