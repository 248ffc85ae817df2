"""Rounds: repeated until closed, and never cut off."""

import asyncio

from storage.rounds import Rounds


async def test_work_is_repeated_and_the_last_round_is_finished() -> None:
    began, ended = asyncio.Event(), []
    go_on = asyncio.Event()

    async def work() -> None:
        began.set()
        await go_on.wait()
        ended.append(True)

    rounds = Rounds("rounds", work, 0.001)
    rounds.start()
    rounds.start()
    await began.wait()
    closing = asyncio.create_task(rounds.close())
    await asyncio.sleep(0)
    assert not closing.done()
    go_on.set()
    await closing
    assert ended == [True]
    await rounds.close()


async def test_closing_does_not_wait_for_the_pause() -> None:
    async def work() -> None:
        raise AssertionError("the pause is an hour")

    rounds = Rounds("rounds", work, 3600)
    rounds.start()
    await rounds.close()
    rounds.start()


async def test_what_never_started_can_be_closed() -> None:
    async def work() -> None:
        raise AssertionError("never started")

    await Rounds("rounds", work, 1).close()
