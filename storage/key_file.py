"""The site's signing keys on disk: one JSON file that only its owner may read. Keys are never logged or sent anywhere."""

import base64
import os
import secrets
from pathlib import Path

import msgspec

from resort.access.codes import KEY_BYTES, SiteKeys, check_keys
from resort.errors import InvalidConfig


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    current: int
    keys: dict[int, str]  # key id to base64


def load_keys(path: Path) -> SiteKeys:
    """The keys in `path`. Raises InvalidConfig, without showing any of the file's text."""
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_KeyFile)
        keys = {key_id: base64.b64decode(text, validate=True) for key_id, text in stored.keys.items()}
    except FileNotFoundError:
        raise InvalidConfig("site keys", f"there is no file {path.name}") from None
    except (msgspec.MsgspecError, ValueError):
        raise InvalidConfig("site keys", f"{path.name} is not a key file") from None
    return check_keys(SiteKeys(stored.current, keys))


def ensure_keys(path: Path) -> SiteKeys:
    """The keys in `path`, made there first if there is no such file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        body = msgspec.json.encode(_KeyFile(current=1, keys={1: text}))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
    return load_keys(path)
