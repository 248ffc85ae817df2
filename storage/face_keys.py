"""The keys under which stored faces are sealed: a file of their own beside the signing keys, in the same form (`key_file.py`).

Processes notice by themselves that the file was replaced. Without this file no stored face can be read: that is its purpose,
and why it is backed up apart from the database.
"""

import os
from datetime import datetime
from pathlib import Path

from resort.access.codes import SiteKeys
from resort.errors import Invalid, InvalidConfig
from storage.key_file import ensure_keys, load_keys


class FaceKeys:
    """The keys in `path`, as they are at the moment of each question; reads the file again only when it was replaced.

    Raises InvalidConfig while the file is missing or is no key file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark: tuple[int, int, int] | None = None
        self._keys: SiteKeys | None = None

    def ensure(self, at: datetime) -> None:
        """Make the file with its first key if there is none; `at` is remembered as that key's birth."""
        ensure_keys(self.path, at)

    def current(self) -> tuple[int, bytes]:
        """The id and bytes of the key for new boxes."""
        keys = self._read()
        return keys.current, keys.keys[keys.current]

    def key(self, key_id: int) -> bytes:
        """The key of a box. Raises Invalid for one that is not there: retired, or from another site's file."""
        key = self._read().keys.get(key_id)
        if key is None:
            raise Invalid("stored face", f"its key {key_id} is not in {self.path.name}")
        return key

    def _read(self) -> SiteKeys:
        try:
            stat = os.stat(self.path)
        except OSError as error:
            raise InvalidConfig("face keys", f"{self.path.name} cannot be read ({error.strerror})") from None
        mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if self._keys is None or mark != self._mark:
            self._keys, self._mark = load_keys(self.path), mark
        return self._keys
