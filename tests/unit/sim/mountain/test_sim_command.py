"""`snowgate sim` as people type it."""

import hashlib
import json
from pathlib import Path

import msgspec
import pytest
import typer
import yaml
from typer.testing import CliRunner

from resort.errors import Invalid, InvalidConfig, NotFound, Unavailable
from resort.messages import decode_event
from sim.mountain.sim_command import sim
from tests.unit.sim.mountain.small_resort import TREE, small

app = typer.Typer()
app.command()(sim)
FLAT = ("name", "seed", "machine", "figures", "limits", "ratios")


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(msgspec.to_builtins(TREE), allow_unicode=True), encoding="utf-8")
    assert small().name.en == "Small resort"
    return str(path)


def test_a_day_is_played_and_written_down(scenario: str, tmp_path: Path) -> None:
    arguments = [
        scenario,
        "--mode",
        "virtual",
        "--seed",
        "3",
        "--json",
        str(tmp_path / "a.json"),
        "--report",
        str(tmp_path / "a.html"),
    ]
    said = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert said.exit_code == 0
    assert "Bottleneck: " in said.output
    told = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert tuple(told) == FLAT
    assert told["seed"] == 3
    assert told["figures"]["guests"] > 100
    assert "<svg" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_the_journal_that_is_written_is_the_one_whose_digest_is_said(scenario: str, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "day.jsonl"
    said = CliRunner().invoke(app, [scenario, "--journal", str(file)], catch_exceptions=False)
    lines = file.read_bytes()
    assert f"journal {hashlib.sha256(lines).hexdigest()}" in said.output
    kinds = {type(decode_event(line)).__name__ for line in lines.splitlines()}
    assert kinds >= {"LaneChanged", "GrantIssued", "PassageConfirmed", "ScanRefused"}
    assert isinstance(CliRunner().invoke(app, [scenario, "--journal", str(tmp_path)]).exception, Unavailable)


def test_two_policies_are_compared_on_the_same_days(scenario: str, tmp_path: Path) -> None:
    arguments = [scenario, "--against-policy", "none", "--seeds", "2", "--json", str(tmp_path / "a.json")]
    said = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "A: Small resort, predictive. B: Small resort, none. 2 days" in said.output
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["figures"]["seeds"] == 2


def test_what_does_not_exist_is_refused(scenario: str) -> None:
    runner = CliRunner()
    assert isinstance(runner.invoke(app, ["no-such-day"]).exception, NotFound)
    assert isinstance(runner.invoke(app, [scenario, "--policy", "clever"]).exception, InvalidConfig)
    assert isinstance(runner.invoke(app, [scenario, "--against-policy", "none", "--report", "x.html"]).exception, Invalid)
    assert isinstance(runner.invoke(app, [scenario, "--mode", "real", "--journal", "x.jsonl"]).exception, Invalid)
    assert runner.invoke(app, [scenario, "--mode", "live"]).exit_code == 2
    assert runner.invoke(app, [scenario, "--mode", "real", "--speed", "21"]).exit_code == 2
