"""A drill's settings: only for a drill's own data folder, and refused in one sentence everywhere else."""

from pathlib import Path

import msgspec
import pytest

from orchestrator.cluster import Stores
from orchestrator.drills import load_drill, mark_for_drills
from resort.errors import InvalidConfig
from resort.guards import DrillSettings, Guards


def settings_file(folder: Path, settings: DrillSettings) -> Path:
    file = folder / "drill.json"
    file.write_bytes(msgspec.json.encode(settings))
    return file


def test_without_a_file_every_guard_is_on(tmp_path: Path) -> None:
    settings = load_drill(None, tmp_path)
    assert settings == DrillSettings()
    assert all(msgspec.structs.asdict(settings.guards).values())


def test_a_drills_own_folder_takes_its_settings(tmp_path: Path) -> None:
    wanted = DrillSettings(Guards(spool=False), {"north": "redis://127.0.0.1:1"}, "/clock")
    data = tmp_path / "data"
    mark_for_drills(data)
    assert load_drill(settings_file(tmp_path, wanted), data) == wanted


def test_any_other_folder_refuses_them(tmp_path: Path) -> None:
    file = settings_file(tmp_path, DrillSettings(Guards(fence=False)))
    with pytest.raises(InvalidConfig, match="is not the data folder of a drill, so its guards stay on"):
        load_drill(file, tmp_path)


def test_a_folder_that_is_there_is_not_made_a_drills(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="is there already"):
        mark_for_drills(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [b"", b"{", b'{"guard": {}}', b'{"guards": {"spools": false}}'])
def test_settings_that_say_something_else_are_refused(tmp_path: Path, body: bytes) -> None:
    data = tmp_path / "data"
    mark_for_drills(data)
    file = tmp_path / "drill.json"
    file.write_bytes(body)
    with pytest.raises(InvalidConfig, match="cannot be used"):
        load_drill(file, data)
    with pytest.raises(InvalidConfig, match="cannot be used"):
        load_drill(tmp_path / "nothing", data)


def test_a_gate_may_have_a_way_of_its_own_to_the_ledger(tmp_path: Path) -> None:
    drill = DrillSettings(redis_urls={"north": "redis://north"})
    stores = Stores("redis://all", "sqlite://", tmp_path, "site", tmp_path, drill)
    assert (stores.redis_of("north"), stores.redis_of("south")) == ("redis://north", "redis://all")
