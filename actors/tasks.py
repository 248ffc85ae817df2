"""Tasks that live as long as their actor."""

import asyncio
import logging
import os
from collections.abc import Coroutine

_log = logging.getLogger("snowgate.actor")
FAILED = 70  # exit code of a process that met an error nobody foresaw


def lifelong(work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
    """Start `work`, which should never end by itself. An error that nobody foresaw ends the process: Ray starts it again and
    it recovers whole, instead of going on without the task while it still answers `ping`. Keep the task, cancel it to stop."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[None]) -> None:
    if task.cancelled() or task.exception() is None:
        return
    _log.critical("the task %s failed; this process ends and is started again", task.get_name(), exc_info=task.exception())
    os._exit(FAILED)
