"""The key file: made once, readable by its owner only, silent about its content, and changed without a moment of no keys."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from resort.access.codes import CodeReading, issue_code, read_code
from resort.access.reasons import Reason
from resort.errors import InvalidConfig, NotFound, WrongState
from resort.ids import TicketId
from storage.key_file import add_key, ensure_keys, key_standings, load_keys, make_current, retire_key

AT = datetime(2027, 1, 8, 1, 0, tzinfo=UTC)
TICKET = TicketId("00112233445566ff")


def test_keys_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    keys = ensure_keys(path)
    assert ensure_keys(path) == keys == load_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", ["", "{}", '{"current":1,"keys":{"1":"secretsecret"}}', '{"current":2,"keys":{"1":"' + "A" * 43 + '="}}', "\xff"]
)
def test_a_bad_file_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(InvalidConfig) as caught:
        load_keys(path)
    assert "secret" not in str(caught.value)


def test_a_rotation_leaves_every_printed_code_valid_until_its_key_is_retired(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    printed = issue_code(TICKET, ensure_keys(path, AT))
    fresh = add_key(path, AT + timedelta(days=1))
    assert load_keys(path).current == 1  # accepted, but nothing is signed with it yet
    make_current(path, fresh, AT + timedelta(days=1, seconds=3))
    make_current(path, fresh, AT + timedelta(days=2))
    keys = load_keys(path)
    assert keys.current == fresh
    assert read_code(printed, keys, AT) == CodeReading(TICKET, 0, 0)
    assert read_code(issue_code(TICKET, keys), keys, AT) == CodeReading(TICKET, 0, 0)
    retire_key(path, 1)
    assert read_code(printed, load_keys(path), AT) is Reason.FORGED_CODE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_rotation_that_was_cut_off_goes_on_with_the_key_it_added(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ensure_keys(path)
    assert add_key(path, AT) == add_key(path, AT) == 2
    make_current(path, 2, AT)
    assert add_key(path, AT) == 3


def test_the_current_key_and_unknown_keys_cannot_be_retired(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ensure_keys(path)
    with pytest.raises(WrongState):
        retire_key(path, 1)
    with pytest.raises(NotFound):
        retire_key(path, 9)
    with pytest.raises(NotFound):
        make_current(path, 9, AT)
    assert sorted(load_keys(path).keys) == [1]


def test_key_ids_go_round_past_those_in_use(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ensure_keys(path)
    stored = msgspec.json.decode(path.read_bytes())
    stored |= {"current": 255, "keys": {"255": stored["keys"]["1"], "0": stored["keys"]["1"]}, "turns": [[255, AT.isoformat()]]}
    path.write_bytes(msgspec.json.encode(stored))
    assert add_key(path, AT) == 1


def test_standings_tell_when_each_key_signed_and_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ensure_keys(path)  # as older versions wrote it: without times
    second, third = AT, AT + timedelta(days=30)
    for at in (second, third):
        make_current(path, add_key(path, at), at)
    standings = key_standings(path)
    assert [(key.key_id, key.current) for key in standings] == [(1, False), (2, False), (3, True)]
    assert [(key.current_from, key.current_until) for key in standings] == [(None, second), (second, third), (third, None)]
    secrets = msgspec.json.decode(path.read_bytes())["keys"].values()
    assert all(secret not in repr(standings) for secret in secrets)


def test_a_change_that_was_cut_off_before_the_end_changed_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = ensure_keys(path)
    path.with_name("keys.json.new").write_text("half of a key fi")
    assert load_keys(path) == keys
    add_key(path, AT)
    assert sorted(load_keys(path).keys) == [1, 2]
