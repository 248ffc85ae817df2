"""Holders of the keys: they see a change, tell what they accept, and a dead one keeps nobody waiting."""

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from resort.errors import InvalidConfig
from storage.key_file import add_key, ensure_keys
from storage.key_holders import KeyHolder, holders_without

AT = datetime(2027, 1, 8, 1, 0, tzinfo=UTC)
OTHER = """
import sys
from pathlib import Path
from storage.key_holders import KeyHolder
holder = KeyHolder(Path(sys.argv[1]), "lane:north-1")
print("held", flush=True)
for line in sys.stdin:
    if holder.changed() is not None:
        holder.tell_used()
    print("looked", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ensure_keys(tmp_path / "keys.json")
    return tmp_path / "keys.json"


def test_a_holder_sees_a_change_once_and_tells_when_it_uses_it(path: Path) -> None:
    holder = KeyHolder(path, "office")
    assert holder.changed() is None
    fresh = add_key(path, AT)
    assert holders_without(path, fresh) == ["office"]
    keys = holder.changed()
    assert keys is not None
    assert sorted(keys.keys) == [1, fresh]
    assert holders_without(path, fresh) == ["office"]  # read, but not yet in use
    holder.tell_used()
    assert holders_without(path, fresh) == []
    assert holder.changed() is None
    holder.close()
    holder.close()
    assert list(path.with_name("keys.json.holders").iterdir()) == []


def test_a_broken_file_leaves_the_keys_as_they_are(path: Path) -> None:
    holder = KeyHolder(path, "office")
    whole, before = path.read_bytes(), holder.keys
    path.write_text("not keys")
    assert holder.changed() is None
    assert holder.keys == before
    path.write_bytes(whole)
    assert holder.changed() == before
    holder.close()


def test_no_holder_without_keys(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig):
        KeyHolder(tmp_path / "none.json", "office")
    assert holders_without(tmp_path / "none.json", 1) == []


def test_a_rotation_waits_for_other_processes_and_for_no_dead_one(path: Path) -> None:
    command = [sys.executable, "-c", OTHER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        second = add_key(path, AT)
        assert holders_without(path, second) == ["lane:north-1"]
        other.stdin.write("look\n")
        other.stdin.flush()
        assert other.stdout.readline() == "looked\n"
        assert holders_without(path, second) == []
        assert holders_without(path, 77) == ["lane:north-1"]
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert holders_without(path, 77) == []
        assert list(path.with_name("keys.json.holders").iterdir()) == []


def test_no_key_is_in_what_holders_write(path: Path) -> None:
    holder = KeyHolder(path, "office")
    (written,) = path.with_name("keys.json.holders").iterdir()
    assert set(written.read_text()) <= set('{}[]":,0123456789_abcdefghijklmnopqrstuvwxyz')
    assert len(written.read_bytes()) < 64
    holder.close()
