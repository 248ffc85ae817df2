"""`snowgate device …` as an engineer types it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from devices.conformance_card import CHECKS
from devices.profile_table import bundled_profiles
from orchestrator.cli import app
from orchestrator.device_players import PlayOrder, turnstile_player
from resort.errors import Invalid
from sim.device_player import TurnstilePlayer

SNOWGATE = (sys.executable, "-m", "orchestrator")
DRILL = "pulse_coil_drill"  # the bundled profile with the shortest window


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["device", *arguments])


@pytest.fixture
def playing() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`device play` as a program of its own, and where it listens."""
    command = [*SNOWGATE, "device", "play", DRILL, "--unit", "1", "--unit", "2"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().split(" at ")[1].split(",")[0]
        process.kill()


def test_list_names_every_bundled_profile_in_a_line() -> None:
    result = run("list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(bundled_profiles())


def test_show_prints_the_map() -> None:
    result = run("show", "command_register")
    assert result.exit_code == 0
    assert "pulse_entry.acknowledge.result" in result.stdout
    assert any(
        line.split() == ["input", "1", "unlocked", "read:", "kind", "bit,", "bit", "0"] for line in result.stdout.splitlines()
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "no_such_profile"),
        ("check", "no_such_profile", "--address", "simulated"),
        ("check", DRILL, "--address", "http://10.0.0.1"),
        ("check", DRILL, "--address", "simulated", "--unit", "256"),
        ("check", DRILL, "--address", "simulated", "--unit", "4", "--unit", "4"),
        ("check", DRILL, "--address", "simulated", "--attended"),  # nobody can type here
        ("play", DRILL, "--fault", "no_such_fault"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_exit_code_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("snowgate: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_sound_controller_exits_0_and_its_card_can_be_kept(tmp_path: Path) -> None:
    result = run("check", DRILL, "--address", "simulated", "--unit", "3", "--json", str(tmp_path / "card.json"))
    assert result.exit_code == 0, result.stdout
    assert result.stdout.splitlines()[-1].startswith(f"{DRILL} conforms")
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["name"], card["held"], card["units"]) == ("device_check", True, [3])
    assert [check["check"] for check in card["checks"]] == list(CHECKS)
    for group in ("figures", "limits", "ratios"):
        assert all(isinstance(value, int | float) for value in card[group].values())
    assert card["figures"]["open_window_min_ms"] <= card["figures"]["open_window_max_ms"]


def test_nobody_at_the_address_exits_1() -> None:
    result = run("check", DRILL, "--address", "tcp://127.0.0.1:1")
    assert result.exit_code == 1
    assert "fail     reachable" in result.stdout
    assert "DOES NOT CONFORM" in result.stdout


def test_play_lists_what_it_can_do_wrongly() -> None:
    result = run("play", DRILL, "--fault", "list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(TurnstilePlayer().faults)


def test_play_ends_by_itself_when_told_to() -> None:
    result = run("play", DRILL, "--for", "0.2")
    assert result.exit_code == 0
    assert " at tcp://127.0.0.1:" in result.stdout


def test_who_types_moves_the_played_device(playing: tuple[subprocess.Popen[str], str]) -> None:
    process, _ = playing
    for typed, told in (
        ("in", "the arm is locked"),
        ("fire 2", "fire is on"),
        ("dance", "deed: say in, out, fire, fault, tamper."),
    ):
        type_line(process, typed)
        wait_for(process, told)


def test_ctrl_c_in_an_open_window_leaves_the_arm_locked_and_the_lamp_idle(playing: tuple[subprocess.Popen[str], str]) -> None:
    played, address = playing
    assert played.stdout is not None
    told: list[str] = []
    with subprocess.Popen(
        [*SNOWGATE, "device", "check", DRILL, "--address", address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as check:
        while "unit 1: unlocked" not in told:
            told.append(played.stdout.readline().strip())
        check.send_signal(signal.SIGINT)
        said, problem = check.communicate(timeout=30)
    assert check.returncode == 130
    assert problem == "snowgate: ended before it was done.\n"
    assert said.splitlines()[-1].split() == ["pass", "restored", "unit", "1:", "locked,", "lamp", "idle"]
    played.send_signal(signal.SIGTERM)
    rest, _ = played.communicate(timeout=30)
    assert played.returncode == 0
    told += rest.split("\n")
    assert [word for word in told if word in ("unit 1: unlocked", "unit 1: relocked")][-1] == "unit 1: relocked"
    assert [word for word in told if word.startswith("unit 1: ") and not word.endswith("locked")][-1] == "unit 1: idle"


def test_an_attended_check_asks_and_sees_what_is_done_at_the_device(playing: tuple[subprocess.Popen[str], str]) -> None:
    played, address = playing
    asked: list[str] = []
    with subprocess.Popen(
        [*SNOWGATE, "device", "check", DRILL, "--address", address, "--attended"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as check:
        assert check.stdout is not None
        said: list[str] = []
        for line in check.stdout:
            said.append(line)
            if line.startswith("> "):
                asked.append(line[2:12])
                type_line(check, "y" if "[y/n]" in line else "")
            if line.startswith("> Go through"):
                wait_for(played, "unit 1: unlocked")  # the pulse that nobody used
                wait_for(played, "unit 1: unlocked")
                type_line(played, "in")
            elif line.startswith("> Go back"):
                type_line(played, "out")
        assert check.wait(timeout=60) == 0, "".join(said)
    assert asked == ["Does the l"] * 3 + ["Stand clea", "Go through", "Go back ou"]
    passed = {line.split()[1] for line in said if line.startswith("  pass ")}
    assert passed >= {"lamp", "turn_counted_once", "way_out_counted"}


def type_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def wait_for(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == wanted:
            return
    pytest.fail(f"it ended without saying {wanted}")


async def test_a_player_is_found_by_its_entry_point_and_moves_what_it_is_told() -> None:
    player = turnstile_player()
    assert isinstance(player, TurnstilePlayer)
    told: asyncio.Queue[str] = asyncio.Queue()
    await player.start(PlayOrder(DRILL, (5,)), told.put_nowait)
    player.steel[5].pulse_entry()
    async with asyncio.timeout(10):
        assert await told.get() == "unit 5: unlocked"
    assert player.act("in") == "the arm turned"
    assert player.act("out 5") == "the arm turned outwards"
    assert player.act("fault") == "fault is on"
    assert player.act("fault") == "fault is off"
    assert (player.steel[5].counter_in, player.steel[5].counter_out, player.steel[5].fault) == (1, 1, False)
    for deed in ("", "up", "in 6", "in x"):
        with pytest.raises(Invalid):
            player.act(deed)
    await player.stop()
    await player.stop()
