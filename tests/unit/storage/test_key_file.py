"""The key file: made once, readable by its owner only, and silent about its content."""

import stat
from pathlib import Path

import pytest

from resort.errors import InvalidConfig
from storage.key_file import ensure_keys, load_keys


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
