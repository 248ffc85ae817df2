"""Scenario files: read, laid over one another, and refused in one sentence."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from resort.errors import InvalidConfig, NotFound
from sim.mountain.scenario import Scenario
from sim.mountain.scenario_file import FOLDER, find_scenario, load_scenario, scenario_schema
from tests.unit.sim.mountain.small_resort import ARRIVALS, TREE, small


def test_every_shipped_scenario_is_read() -> None:
    files = sorted(FOLDER.glob("*.yaml"))
    assert files
    for file in files:
        assert isinstance(load_scenario(file), Scenario)


def test_a_name_is_found_and_an_unknown_one_names_the_others() -> None:
    assert find_scenario("peak-saturday") == FOLDER / "peak-saturday.yaml"
    with pytest.raises(NotFound, match="peak-saturday"):
        find_scenario("off-peak-tuesday")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arrivals": {**ARRIVALS, "profile": [[0, 1]]}}, "at least two points"),
        ({"arrivals": {**ARRIVALS, "profile": [[0, 1], [60, -1]]}}, "not negative"),
        ({"tickets": [{"code": "day", "share": 0.5, "media": {"phone": 1.0}}]}, "add up to 0.5"),
        ({"incidents": [{"kind": "lift_stop", "lift": "none", "at_min": 1, "minutes": 1}]}, "none is not one of chair"),
        ({"incidents": [{"kind": "gate_loss", "gate": "none", "at_min": 1, "minutes": 1}]}, "g-chair, main, side"),
        ({"incidents": [{"kind": "fire_drill", "area": "none", "at_min": 1, "minutes": 1}]}, "none is not one of base"),
        ({"steering": {"policy": "clever"}}, "clever is not one of none, static"),
        ({"shifts": [{"from_min": 9, "to_min": 9, "attendants": 1}]}, "ends before it begins"),
        ({"timezone": "Moon/Tycho"}, "not a known time zone"),
        ({"gates": [TREE["gates"][2]]}, "must be an entrance"),  # type: ignore[index]
    ],
)
def test_what_makes_no_sense_is_named(changes: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidConfig, match=says):
        small(**changes)


def test_a_file_may_be_like_another(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text((FOLDER / "peak-saturday.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "quiet.yaml").write_text("like: base\nday: {kind: weekday}\n", encoding="utf-8")
    quiet = load_scenario(tmp_path / "quiet.yaml")
    assert quiet.day.kind == "weekday"
    assert quiet.day.minutes == load_scenario(tmp_path / "base.yaml").day.minutes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("like: self\n", "like itself"),
        ("- a\n", "not a list of keys"),
        ("name: [\n", "is not YAML"),
        ("name: {zh: a, en: b}\nsnow: deep\n", "snow"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "self.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidConfig, match=says):
        load_scenario(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="cannot be read"):
        load_scenario(tmp_path / "none.yaml")


def test_the_shipped_schema_is_that_of_the_structs_and_knows_every_shipped_file() -> None:
    shipped = json.loads((FOLDER / "scenario.schema.json").read_text(encoding="utf-8"))
    assert shipped == json.loads(json.dumps(scenario_schema()))
    for file in FOLDER.glob("*.yaml"):
        plain = json.loads(json.dumps(yaml.safe_load(file.read_text(encoding="utf-8")), default=str))
        jsonschema.validate(plain, shipped)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"snow": "deep"}, shipped)
