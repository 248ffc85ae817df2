"""Process ids of a running site on disk, so that nothing survives a `snowgate up` that was killed.

Processes are known by id and start time together: an id that was given to somebody else meanwhile is never touched.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from resort.errors import Unavailable

ENDING_S = 0.8


class _Process(msgspec.Struct, frozen=True):
    pid: int
    started: float


class RunFile:
    """Lock and list of one data folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_suffix(".lock")
        self._lock: int | None = None

    def acquire(self) -> None:
        """Be the only site on this data folder. Raises Unavailable when another one is open."""
        # lockf belongs to the process, not the descriptor: Ray's daemons inherit descriptors but not this lock.
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self._lock = None
            raise Unavailable("This data folder", "another snowgate is open on it; close that one first") from None

    def release(self) -> None:
        """Let others in; the list goes with it."""
        self._path.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def record_children(self) -> None:
        """Write down every process that this one started, directly or not."""
        found = [_Process(child.pid, child.create_time()) for child in psutil.Process().children(recursive=True)]
        self._path.write_bytes(msgspec.json.encode(found))

    def end_recorded(self) -> int:
        """End what is recorded and still runs; answers how many processes that were."""
        try:
            recorded = msgspec.json.decode(self._path.read_bytes(), type=list[_Process])
        except (FileNotFoundError, msgspec.MsgspecError):
            return 0
        living = []
        for process in recorded:
            try:
                found = psutil.Process(process.pid)
                if abs(found.create_time() - process.started) < 0.01:
                    living.append(found)
            except psutil.NoSuchProcess:
                continue
        return end_processes(living)


def end_processes(processes: list[psutil.Process]) -> int:
    """Terminate, then kill after a while, these processes and what they started; answers how many."""
    family = {process.pid: process for process in processes}
    for process in processes:
        try:
            family.update({child.pid: child for child in process.children(recursive=True)})
        except psutil.NoSuchProcess:
            continue
    for process in family.values():
        _signal(process.terminate)
    _, stubborn = psutil.wait_procs(list(family.values()), timeout=ENDING_S)
    for process in stubborn:
        _signal(process.kill)
    psutil.wait_procs(stubborn, timeout=ENDING_S)
    return len(family)


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.NoSuchProcess:
        return
