"""The site's signing keys on disk: one JSON file that only its owner may read. Keys are never logged or sent anywhere.

Whoever changes the file holds a lock beside it, writes a new file and puts it in the old one's place, so a reader sees the
old keys or the new ones. How running processes learn of a change is in `storage/key_holders.py`.
"""

import base64
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from resort.access.codes import KEY_BYTES, SiteKeys, check_keys
from resort.errors import InvalidConfig, NotFound, WrongState
from storage.whole_file import replace_file

KEY_IDS = 256  # a code has one byte for it


class KeyStanding(msgspec.Struct, frozen=True):
    """One key as it may be shown to people: no byte of the key itself. Times are None for keys older than this record."""

    key_id: int
    current: bool
    made_at: datetime | None
    current_from: datetime | None  # None too for a key that never signed anything
    current_until: datetime | None


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    current: int
    keys: dict[int, str]  # key id to base64
    made: dict[int, datetime] = {}
    turns: list[tuple[int, datetime]] = []  # which key became current, and when, oldest first

    def __repr__(self) -> str:
        return f"_KeyFile(current={self.current}, ids={sorted(self.keys)})"


def load_keys(path: Path) -> SiteKeys:
    """The keys in `path`. Raises InvalidConfig, without showing any of the file's text."""
    return _site_keys(path, _read(path))


def ensure_keys(path: Path, at: datetime | None = None) -> SiteKeys:
    """The keys in `path`, made there first if there is no such file; `at` is remembered as the first key's birth."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with _changing(path):
            if not path.exists():
                turns = [(1, at)] if at is not None else []
                _write(path, _KeyFile(1, {1: _new_key()}, {1: at} if at is not None else {}, turns))
    return load_keys(path)


def key_standings(path: Path) -> list[KeyStanding]:
    """Every key by id, without its bytes. Raises InvalidConfig."""
    stored = _read(path)
    _site_keys(path, stored)
    began: dict[int, datetime] = {}
    ended: dict[int, datetime] = {}
    for before, (key_id, at) in zip([None, *stored.turns], stored.turns, strict=False):
        began[key_id] = at
        ended.pop(key_id, None)
        if before is not None:
            ended[before[0]] = at
    # The key of a file from before turns were recorded signed until the first recorded turn.
    if stored.turns:
        first = stored.turns[0][1]
        ended.update({key_id: first for key_id in stored.keys if key_id not in began and key_id not in stored.made})
    return [
        KeyStanding(key_id, key_id == stored.current, stored.made.get(key_id), began.get(key_id), ended.get(key_id))
        for key_id in sorted(stored.keys)
    ]


def add_key(path: Path, at: datetime) -> int:
    """Add a key that is accepted but signs nothing yet; answers its id. One that was added and never became current is
    answered again, so that a rotation which was cut off goes on where it was. Raises InvalidConfig, WrongState."""
    with _changing(path):
        stored = _read(path)
        turned = {key_id for key_id, _ in stored.turns}
        waiting = [key_id for key_id in stored.made if key_id not in turned and key_id != stored.current]
        if waiting:
            return max(waiting, key=lambda key_id: stored.made[key_id])
        newest = max(stored.made, key=lambda key_id: stored.made[key_id], default=stored.current)
        free = [number % KEY_IDS for number in range(newest + 1, newest + KEY_IDS) if number % KEY_IDS not in stored.keys]
        if not free:
            raise WrongState("key file", "full", "take another key before one is retired")
        key_id = free[0]
        keys = {**stored.keys, key_id: _new_key()}
        _write(path, msgspec.structs.replace(stored, keys=keys, made={**stored.made, key_id: at}))
        return key_id


def make_current(path: Path, key_id: int, at: datetime) -> None:
    """From now on codes are signed with this key; idempotent. Raises NotFound, InvalidConfig."""
    with _changing(path):
        stored = _read(path)
        if key_id not in stored.keys:
            raise NotFound("key", str(key_id))
        if stored.current != key_id:
            _write(path, msgspec.structs.replace(stored, current=key_id, turns=[*stored.turns, (key_id, at)]))


def retire_key(path: Path, key_id: int) -> None:
    """Forget a key: codes under it are refused as forged from now on. Raises NotFound, WrongState (it is the current one)."""
    with _changing(path):
        stored = _read(path)
        if key_id not in stored.keys:
            raise NotFound("key", str(key_id))
        if key_id == stored.current:
            raise WrongState("key", "current", "be retired before another one signs")
        keys = {number: key for number, key in stored.keys.items() if number != key_id}
        made = {number: at for number, at in stored.made.items() if number != key_id}
        _write(path, msgspec.structs.replace(stored, keys=keys, made=made))


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """One change at a time; the lock is a file of its own, because the key file itself is replaced."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> _KeyFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_KeyFile)
    except FileNotFoundError:
        raise InvalidConfig("site keys", f"there is no file {path.name}") from None
    except (msgspec.MsgspecError, ValueError):
        raise InvalidConfig("site keys", f"{path.name} is not a key file") from None
    except OSError as error:
        raise InvalidConfig("site keys", f"{path.name} cannot be read ({error.strerror})") from None


def _site_keys(path: Path, stored: _KeyFile) -> SiteKeys:
    try:
        keys = {key_id: base64.b64decode(text, validate=True) for key_id, text in stored.keys.items()}
    except ValueError:
        raise InvalidConfig("site keys", f"{path.name} is not a key file") from None
    return check_keys(SiteKeys(stored.current, keys))


def _write(path: Path, content: _KeyFile) -> None:
    replace_file(path, msgspec.json.encode(content))  # we hold the lock


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
