"""A real `snowgate up` under test, driven as its users and its enemies do: HTTP, signals, and SQL read from outside."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psutil

OPEN_S = 180.0
_OPEN = re.compile(r"The resort is open after .* Console: (\S+)(?:\n.*)*\nCtrl-C closes it")  # whose password it said by then
T = TypeVar("T")


class RunningSite:
    """One `snowgate up` process on a data folder of its own."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self.address = ""
        self.password: str | None = None
        self.cookie = ""
        self._log = data.parent / f"{data.name}-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "orchestrator", "up", "--data", str(data), "--port", "0", *arguments]
        with self._log.open("wb") as log:
            # A session of its own, so that a signal to its group is what Ctrl-C at a terminal is.
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def wait_open(self) -> "RunningSite":
        """Wait until it says that it is open."""
        found = self.until(lambda: _OPEN.search(self.output()), OPEN_S)
        self.address = found[1]
        password = re.search(r"with the password (\S+)", self.output())
        self.password = password[1] if password else None
        return self

    def until(self, holds: Callable[[], T | None], patience_s: float) -> T:
        """Wait for something that another process does."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            answer = holds()
            if answer:
                return answer
            if self.process.poll() is not None:
                answer = holds()
                if answer:
                    return answer
                raise AssertionError(f"the site ended with {self.process.returncode}: {self.output()[-3000:]}")
            time.sleep(0.05)
        raise AssertionError(f"not within {patience_s} s: {self.output()[-3000:]}")

    def wait_end(self, patience_s: float) -> int:
        """Wait until it ends by itself; answers its exit code."""
        return self.process.wait(patience_s)

    def interrupt(self) -> None:
        """Ctrl-C; waits until it has ended."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)

    def family(self) -> list[psutil.Process]:
        """Every process that belongs to it, itself included."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def lane_processes(self) -> list[psutil.Process]:
        """The processes that host lanes."""
        return self.actor_processes("LaneActor")

    def actor_processes(self, kind: str) -> list[psutil.Process]:
        """The processes that host actors of that class."""
        found = []
        for process in self.family():
            try:
                if process.cmdline() and process.cmdline()[0].startswith(f"ray::{kind}"):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def sign_in(self, name: str, password: str) -> None:
        """Sign in; later calls carry the session."""
        body = msgspec.json.encode({"name": name, "password": password})
        request = urllib.request.Request(f"{self.address}/api/session", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            self.cookie = answer.headers["Set-Cookie"].split(";")[0]

    def get(self, path: str) -> Any:
        """The JSON at this path."""
        request = urllib.request.Request(f"{self.address}{path}", headers={"Cookie": self.cookie})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return msgspec.json.decode(answer.read())

    def sql(self, query: str, *values: object) -> list[Any]:
        """Rows of the site's database, read beside it."""
        connection = sqlite3.connect(f"file:{self.data / 'snowgate.db'}?mode=ro", uri=True, timeout=20)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def kill_all(self) -> None:
        """End whatever is left, at the end of a test."""
        if self.process.poll() is None:
            for process in self.family():
                try:
                    process.kill()
                except psutil.Error:
                    continue
            self.process.wait(20)


def living(processes: list[psutil.Process]) -> list[str]:
    """Those that still run; the dead ones that nobody has buried yet do not count."""
    names = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                names.append(f"{process.pid} {process.name()}")
        except psutil.Error:
            continue
    return names
