"""The examination of controllers: sound ones of every bundled profile pass, each misbehaviour fails what it should."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
import yaml

from devices.conformance import examine
from devices.conformance_bench import Attendant, Limits
from devices.conformance_card import CHECKS, Card, Finding, card_line
from devices.profile import TurnstileProfile, load_profile
from devices.profile_table import bundled_profiles
from orchestrator.device_players import PlayOrder
from resort.clock import SystemClock
from resort.errors import InvalidConfig
from resort.site import TurnstileSite
from sim.device_player import TurnstilePlayer
from sim.faulty_wire import FaultyWire
from sim.turnstile import SimTurnstile

# Real connections on a machine that may stall: bars of time are wide, and those that are judged are missed by far.
PATIENT = Limits(readings=10, pause_ms=5, unlock_ms=2_000, latency_share=1.0, serve_within_ms=10_000)
ARM = ("turn_counted_once", "reconnect", "late_reply")
SIDE_BY_SIDE = 8
COUNTING = ("turn_counted_once", "way_out_counted")
PULSE = ("pulse_unlocks", "relocks", "pulse_not_counted")
BUT_REACHABLE = tuple(check for check in CHECKS if check not in ("reachable", "restored", "neighbours"))


class Guest:
    """Somebody at the device, who does what is asked."""

    def __init__(self, model: SimTurnstile) -> None:
        self.model = model
        self.sees = True

    async def ask(self, request: str) -> None:
        if request.startswith("Go through"):
            self.model.watcher = self._go_through
        elif request.startswith("Go back"):
            self.model.push_out()

    def _go_through(self, event: str) -> None:
        self.model.watcher = None
        asyncio.get_running_loop().call_soon(self.model.push_in)

    async def confirm(self, question: str) -> bool:
        return self.sees


def quick(name: str, folder: Path, window_ms: int = 400) -> str:
    """That bundled profile with a short open window and a long time-out, as a file."""
    profile = load_profile(name)
    timings = msgspec.structs.replace(profile.timings, open_window_ms=window_ms, timeout_ms=1_000)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(msgspec.to_builtins(msgspec.structs.replace(profile, timings=timings))))
    return str(path)


def with_lamp_elsewhere(profile: str) -> str:
    """A copy that gives the lamp an address which the controller does not have."""
    wrong = Path(profile).with_suffix(".wrong.yaml")
    wrong.write_text(Path(profile).read_text().replace("indicator:\n    address: 1", "indicator:\n    address: 9"))
    return str(wrong)


@asynccontextmanager
async def played(profile: str, fault: str = "", units: tuple[int, ...] = (1,)) -> AsyncIterator[tuple[TurnstilePlayer, str]]:
    player = TurnstilePlayer()
    address = await player.start(PlayOrder(profile, units, 0, fault), lambda _: None)
    try:
        yield player, address
    finally:
        await player.stop()


async def examined(
    profile: str,
    address: str,
    *,
    attendant: Attendant | None = None,
    limits: Limits = PATIENT,
    units: tuple[int, ...] = (1,),
    tell: Callable[[Finding], None] = lambda _: None,
) -> Card:
    site = TurnstileSite(address, units[0], profile)
    return await examine(
        site, load_profile(profile), SystemClock(), tell, limits=limits, attendant=attendant, other_units=units[1:]
    )


def having(card: Card, verdict: str) -> set[str]:
    return {finding.check for finding in card.findings if finding.verdict == verdict}


def assert_card(card: Card, failed: set[str], untried: set[str]) -> None:
    said = "\n".join(map(card_line, card.findings))
    assert having(card, "fail") == failed, said
    assert having(card, "untried") == untried, said
    assert card.held == (not failed | untried)
    assert [finding.check for finding in card.findings] == list(CHECKS), said


class Examinations:
    """Examinations side by side: each waits for open windows nearly all of its time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._room = asyncio.Semaphore(SIDE_BY_SIDE)
        self._tasks: dict[tuple[str, str], asyncio.Task[tuple[Card, SimTurnstile]]] = {}

    def begin(self, name: str, fault: str, units: tuple[int, ...] = (1,)) -> None:
        self._tasks[name, fault] = asyncio.create_task(self._examine(name, fault, units))

    async def card(self, name: str, fault: str = "") -> tuple[Card, SimTurnstile]:
        return await self._tasks[name, fault]

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _examine(self, name: str, fault: str, units: tuple[int, ...]) -> tuple[Card, SimTurnstile]:
        folder = self._folder / f"{name} {fault}"
        folder.mkdir()
        profile = quick(name, folder)
        async with self._room, played(profile, fault, units) as (player, address):
            model = player.steel[1]
            if not fault:
                model.counter_in = 65_535 if name == "relay_board" else 2**32 - 1  # where its counter comes round
            return await examined(profile, address, attendant=Guest(model), units=units), model


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def examinations(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Examinations]:
    examinations = Examinations(tmp_path_factory.mktemp("profiles"))
    for name in bundled_profiles():
        examinations.begin(name, "", (1, 7))
    for name, fault, _, _ in MISBEHAVIOURS:
        examinations.begin(name, fault)
    yield examinations
    await examinations.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", bundled_profiles())
async def test_a_sound_controller_of_every_bundled_profile_conforms(name: str, examinations: Examinations) -> None:
    card, model = await examinations.card(name)
    assert_card(card, set(), set())
    lacks = {"fire_release"}
    if name == "relay_board":
        lacks |= {"lamp", "firmware"}
    assert having(card, "skipped") == lacks
    assert having(card, "note") == {"unknown_address"}
    assert not model.unlocked
    assert model.indicator == "idle"
    assert model.counter_out == 1


MISBEHAVIOURS = [
    ("pulse_coil", "stuck", {"pulse_unlocks"}, {"relocks", *ARM}),
    ("mode_register", "stuck", {"pulse_unlocks"}, {"relocks", *ARM}),
    ("relay_board", "stuck", {"pulse_unlocks"}, {"relocks", *ARM}),
    ("pulse_coil", "exit_only", {"pulse_unlocks"}, {"relocks", *ARM}),
    ("command_register", "exit_only", {"pulse_unlocks"}, {"relocks", "pulse_not_counted", *ARM}),
    ("pulse_coil", "refuses", {"pulse_unlocks"}, {"relocks", "pulse_not_counted", *ARM}),
    ("command_register", "no_acknowledge", {"pulse_unlocks"}, {"relocks", "pulse_not_counted", *ARM}),
    ("pulse_coil", "fault", {"inputs"}, {*PULSE, *ARM}),
    ("relay_board", "tamper", {"inputs"}, set()),
    ("pulse_coil", "fire", set(), {"locked_at_rest", *PULSE, *ARM}),
    ("command_register", "fire", set(), {"locked_at_rest", *PULSE, *ARM}),
    ("pulse_coil", "no_firmware", {"firmware"}, set()),
    ("mode_register", "stays_open", {"relocks", "restored"}, set(ARM)),
    ("pulse_coil", "never_locked", {"locked_at_rest", "restored"}, {*PULSE, *ARM}),
    ("pulse_coil", "counts_twice", {"turn_counted_once"}, set()),
    ("relay_board", "counts_twice", {"turn_counted_once"}, set()),
    ("pulse_coil", "counts_pulses", {"pulse_not_counted", "turn_counted_once"}, set()),
    ("pulse_coil", "creeps", {"counters_rest", "pulse_not_counted"}, set(COUNTING)),
    ("relay_board", "runs_back", {"counters_rest", "pulse_not_counted"}, set(COUNTING)),
    ("pulse_coil", "ways_swapped", set(COUNTING), set()),
    ("mode_register", "flickers", {"status_steady"}, set()),
    ("pulse_coil", "twice", {"write_echo"}, set()),
    ("relay_board", "twice", {"write_echo"}, set()),
    *(
        ("pulse_coil", fault, {"reachable"}, set(BUT_REACHABLE))
        for fault in ("silent", "mute", "late", "half", "spoilt", "renumbered")
    ),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("name", "fault", "failed", "untried"), MISBEHAVIOURS)
async def test_a_misbehaviour_fails_the_checks_that_it_should_and_no_others(
    name: str, fault: str, failed: set[str], untried: set[str], examinations: Examinations
) -> None:
    card, _ = await examinations.card(name, fault)
    assert_card(card, failed, untried)
    if fault == "fire":
        assert having(card, "pass") >= {"fire_release", "restored"}


async def test_a_window_far_shorter_than_the_profile_says_is_seen(tmp_path: Path) -> None:
    profile = quick("pulse_coil", tmp_path, window_ms=2_000)
    async with played(profile, "hasty") as (_, address):
        card = await examined(profile, address)
    assert having(card, "fail") == {"relocks"}


async def test_answers_that_take_too_much_of_the_time_out_are_seen(tmp_path: Path) -> None:
    profile = quick("pulse_coil", tmp_path, window_ms=1_000)
    limits = msgspec.structs.replace(PATIENT, readings=2, latency_share=0.02)
    async with played(profile) as (_, address), AsyncExitStack() as stack:
        wire = FaultyWire(int(address.rpartition(":")[2]), delay_s=0.03)
        await wire.start()
        stack.push_async_callback(wire.stop)
        wire.suffer("slow")
        card = await examined(profile, f"tcp://127.0.0.1:{wire.port}", limits=limits)
    assert having(card, "fail") == {"latency"}


async def test_a_neighbour_that_is_disturbed_is_seen(tmp_path: Path) -> None:
    profile = quick("pulse_coil", tmp_path)
    async with played(profile, units=(1, 2)) as (player, address):
        player.steel[2].watcher = lambda event: player.steel[1].pulse_entry()
        card = await examined(profile, address, units=(1, 2))
        assert having(card, "fail") == {"neighbours"}
        assert not player.steel[1].unlocked


async def test_a_controller_that_locks_against_the_fire_panel_is_seen(tmp_path: Path) -> None:
    profile = quick("pulse_coil", tmp_path)
    async with played(profile, "defies_fire") as (player, address):
        player.steel[1].fire_release = True
        card = await examined(profile, address)
    assert_card(card, {"fire_release"}, {"locked_at_rest", *PULSE, "reconnect", "late_reply"})


async def test_a_lamp_that_is_not_where_the_profile_says_is_seen_and_the_arm_is_looked_after(tmp_path: Path) -> None:
    profile = quick("pulse_coil", tmp_path)
    wrong = with_lamp_elsewhere(profile)
    async with played(profile) as (player, address):
        card = await examined(wrong, address)
        assert not player.steel[1].unlocked
    assert_card(card, {"lamp", "write_echo", "restored"}, set())
    assert card.findings[-1].reason.startswith("unit 1: locked, LAMP NOT IDLE (it answered exception 2")


async def test_a_lamp_that_nobody_sees_is_no_lamp(tmp_path: Path) -> None:
    profile = quick("pulse_coil", tmp_path)
    async with played(profile) as (player, address):
        guest = Guest(player.steel[1])
        guest.sees = False
        assert having(await examined(profile, address, attendant=guest), "fail") == {"lamp"}


async def test_nobody_there_is_no_failure(tmp_path: Path) -> None:
    profile = quick("pulse_coil", tmp_path)
    async with played(profile) as (player, address):
        card = await examined(profile, address)
        assert card.held
        assert having(card, "skipped") == {*COUNTING, "fire_release", "neighbours"}
        assert player.steel[1].counter_in == 0


async def test_a_controller_that_dies_meanwhile_is_a_finding(tmp_path: Path) -> None:
    profile = quick("pulse_coil", tmp_path)
    async with played(profile) as (player, address), AsyncExitStack() as stack:
        wire = FaultyWire(int(address.rpartition(":")[2]))
        await wire.start()
        stack.push_async_callback(wire.stop)

        def tell(finding: Finding) -> None:
            if finding.check == "lamp":
                wire.suffer("reset")

        limits = msgspec.structs.replace(PATIENT, serve_within_ms=100)
        card = await examined(profile, f"tcp://127.0.0.1:{wire.port}", limits=limits, tell=tell)
        assert having(card, "fail") >= {*PULSE, "write_echo", "restored"}
        assert having(card, "untried") == {"reconnect", "late_reply"}
        assert player.steel[1].pulses == 0


@pytest.mark.parametrize(("signal", "times"), [("go", 1), ("unlocked", 1), ("unlocked", 2), ("unlocked", 3)])
async def test_who_is_interrupted_leaves_the_arm_locked_and_the_lamp_idle(signal: str, times: int, tmp_path: Path) -> None:
    profile = quick("pulse_coil", tmp_path)
    async with played(profile) as (player, address):
        model = player.steel[1]
        signals = model.subscribe()
        task = asyncio.create_task(examined(profile, address))
        async with asyncio.timeout(30):
            for _ in range(times):
                while await signals.get() != signal:
                    pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert model.indicator == "idle"
        assert not model.unlocked
        assert model.pulses == (0 if signal == "go" else times)


async def test_a_neighbour_that_is_not_there_is_said_and_not_looked_after(tmp_path: Path) -> None:
    profile = quick("pulse_coil", tmp_path)
    async with played(profile) as (_, address):
        card = await examined(profile, address, units=(1, 9))
    assert having(card, "fail") == {"neighbours"}
    assert [finding.reason for finding in card.findings if finding.check == "restored"] == ["unit 1: locked, lamp idle"]


async def test_an_address_that_makes_no_sense_is_said_at_once(tmp_path: Path) -> None:
    said: list[Finding] = []
    with pytest.raises(InvalidConfig):
        await examined(quick("pulse_coil", tmp_path), "http://10.0.0.1", tell=said.append)
    assert not said


def test_a_card_holds_only_when_nothing_failed_and_nothing_is_open() -> None:
    findings = tuple(Finding(check, "pass", "well") for check in CHECKS)
    card = Card("p", "tcp://h", (1,), findings)
    assert card.held
    assert "20 passed" in card.summary()
    for verdict, held in (("fail", False), ("untried", False), ("skipped", True), ("note", True)):
        worse = msgspec.structs.replace(findings[3], verdict=verdict)
        assert msgspec.structs.replace(card, findings=(*findings[:3], worse, *findings[4:])).held is held


def test_every_profile_is_loaded_by_its_own_name() -> None:
    profiles: list[TurnstileProfile] = [load_profile(name) for name in bundled_profiles()]
    assert [profile.name for profile in profiles] == list(bundled_profiles())
