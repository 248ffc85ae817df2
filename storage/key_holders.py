"""Which running processes hold the site's keys and which of them each accepts: so a rotation knows that all have reloaded.

Each holder keeps one small file beside the key file, locked as long as it lives: ids of keys only, never a key. Whoever
can take the lock knows that the holder is gone. One machine's processes only, as the key file itself.
"""

import fcntl
import logging
import os
from pathlib import Path

import msgspec

from resort.access.codes import SiteKeys
from resort.errors import InvalidConfig
from storage.key_file import load_keys

_log = logging.getLogger("snowgate.keys")


class _Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pid: int
    accepted: list[int]
    current: int


class KeyHolder:
    """The keys as this process uses them. Ask `changed` about once a second; `close` at the end.

    A key file that cannot be read leaves the keys as they are: lanes go on with what they know.
    """

    def __init__(self, key_file: Path, name: str) -> None:
        """Load the keys and tell that this process, by a name such as `lane:north-1`, holds them. Raises InvalidConfig."""
        self._key_file = key_file
        folder = _folder(key_file)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._file = folder / f"{name.replace('/', '_')}.{os.getpid()}"
        # Locked before the keys are read: a rotation that does not see this file yet has its key in what is read next.
        # lockf belongs to the process, not the descriptor, so that no child keeps it after us.
        self._lock = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._seen = _mark(key_file)
        self._troubled = False
        try:
            self.keys = load_keys(key_file)
        except InvalidConfig:
            self.close()
            raise
        self._tell()

    def changed(self) -> SiteKeys | None:
        """The new keys if the file was changed since the last call, else None. Costs one `stat`."""
        mark = _mark(self._key_file)
        if mark == self._seen:
            return None
        try:
            self.keys = load_keys(self._key_file)
        except InvalidConfig as error:
            if not self._troubled:
                _log.warning("the keys stay as they are: %s", error)
            self._troubled = True
            return None
        self._seen, self._troubled = mark, False
        return self.keys

    def tell_used(self) -> None:
        """Tell that the keys are in use now; call it once whoever verifies codes has them."""
        self._tell()

    def close(self) -> None:
        """No longer a holder; idempotent."""
        if self._lock >= 0:
            self._file.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    def _tell(self) -> None:
        body = msgspec.json.encode(_Holding(os.getpid(), sorted(self.keys.keys), self.keys.current))
        os.pwrite(self._lock, body, 0)
        os.ftruncate(self._lock, len(body))


def holders_without(key_file: Path, key_id: int) -> list[str]:
    """The running holders, by name, that do not accept this key yet. Files of holders that are gone are removed."""
    folder = _folder(key_file)
    if not folder.is_dir():
        return []
    return [path.name.rpartition(".")[0] for path in sorted(folder.iterdir()) if _lacks(path, key_id)]


def _lacks(path: Path, key_id: int) -> bool:
    try:
        holding = msgspec.json.decode(path.read_bytes(), type=_Holding)
    except FileNotFoundError:
        return False
    except msgspec.MsgspecError:
        holding = None  # it is just being written
    # A process can lock what it has locked itself, and would lose that lock: its own file it does not try.
    if (holding is None or holding.pid != os.getpid()) and _is_gone(path):
        return False
    return holding is None or key_id not in holding.accepted


def _is_gone(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def _folder(key_file: Path) -> Path:
    return key_file.with_name(f"{key_file.name}.holders")


def _mark(path: Path) -> tuple[int, int, int]:
    """What changes when the file is replaced; zeros while there is none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_ino, found.st_size)
