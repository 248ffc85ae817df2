"""A thread for blocking work: in order, with its errors, and gone after closing."""

import asyncio
import threading

from storage.disk_thread import DiskThread


async def test_jobs_run_in_order_in_one_thread_and_are_answered_in_the_loop() -> None:
    worker = DiskThread("worker")
    worker.start()
    ran: list[tuple[int, str]] = []
    answered: asyncio.Queue[tuple[int, str, BaseException | None]] = asyncio.Queue()

    def job(number: int) -> None:
        ran.append((number, threading.current_thread().name))
        if number == 1:
            raise OSError("no disk")

    for number in range(3):
        worker.run(
            lambda number=number: job(number),  # type: ignore[misc]
            lambda raised, number=number: answered.put_nowait((number, threading.current_thread().name, raised)),  # type: ignore[misc]
        )
    async with asyncio.timeout(30):
        answers = [await answered.get() for _ in range(3)]
    assert ran == [(0, "worker"), (1, "worker"), (2, "worker")]
    assert [number for number, _, _ in answers] == [0, 1, 2]
    assert {thread for _, thread, _ in answers} == {threading.current_thread().name}
    assert [str(raised) for _, _, raised in answers] == ["None", "no disk", "None"]
    worker.close()
    assert "worker" not in {thread.name for thread in threading.enumerate()}


def test_a_loop_that_is_gone_is_not_answered() -> None:
    worker = DiskThread("worker")
    worker.start()
    begin = threading.Event()

    def wait() -> None:
        begin.wait(30)

    async def leave() -> None:
        worker.run(wait, lambda _: None)

    asyncio.run(leave())
    begin.set()
    worker.close()
    assert "worker" not in {thread.name for thread in threading.enumerate()}
