"""Profiles: the bundled ones, what is refused and in which words, the planned reads, and values there and back."""

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devices.profile import Point, ReadBlock, TurnstileProfile, check_profile, load_profile, parse_profile, plan_reads
from devices.profile_points import CommandOrder, PulsePoint, SequenceOrder, TimedRelay
from resort.errors import InvalidConfig

BUNDLED = Path(__file__).parents[3] / "devices/profiles/pulse_coil.yaml"
ACK = "commands.pulse_entry.acknowledge"


def changed(path: str, value: object, name: str = "pulse_coil") -> str:
    """A bundled profile's text with one key set (or, with None, taken away)."""
    content = yaml.safe_load(BUNDLED.with_stem(name).read_text(encoding="utf-8"))
    *parents, last = path.split(".")
    place = content
    for name in parents:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return yaml.safe_dump(content)


def test_the_bundled_profile_is_the_documented_map() -> None:
    profile = load_profile("pulse_coil")
    assert profile.name == "pulse_coil"
    assert (profile.commands.pulse_entry.address, profile.timings.timeout_ms, profile.timings.open_window_ms) == (0, 250, 4000)
    assert profile.commands.indicator.values == {"idle": 0, "go": 1, "refused": 2}
    assert profile.readings.counter_in == Point("input", 2, "u32")
    assert profile.mirrors.fire_release == Point("discrete", 3, "bit")


def test_a_status_of_the_bundled_profile_is_one_read() -> None:
    profile = load_profile("pulse_coil")
    assert plan_reads(profile.read_points(), profile.read_across) == (ReadBlock("input", 0, 7),)


def test_every_bundled_profile_loads_under_its_own_name() -> None:
    for path in BUNDLED.parent.glob("*.yaml"):
        assert load_profile(path.stem).name == path.stem


def test_the_drills_profile_differs_by_its_name_and_its_open_window_only() -> None:
    bundled, drill = load_profile("pulse_coil"), load_profile("pulse_coil_drill")
    timings = msgspec.structs.replace(drill.timings, open_window_ms=bundled.timings.open_window_ms)
    assert msgspec.structs.replace(drill, name=bundled.name, timings=timings) == bundled
    assert drill.timings.open_window_ms < 1_200


def test_a_profile_loads_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(changed("name", "own"), encoding="utf-8")
    assert load_profile(path) == load_profile(str(path))
    assert load_profile(path).name == "own"


def test_an_unknown_name_lists_the_bundled_ones() -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_profile("no_such")
    assert "no_such" in caught.value.field
    assert "pulse_coil" in caught.value.problem


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_an_unreadable_file_is_a_config_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.yaml"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(InvalidConfig):
        load_profile(path)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("colour", "red", "colour"),
        ("readings.fault.polarity", 1, "polarity"),
        ("readings.fault", None, "fault"),
        ("readings.fault.bit", 16, "readings.fault.bit"),
        ("readings.fault.bit", 0, "readings.unlocked"),
        ("readings.fault", {"table": "input", "address": 1, "kind": "bit"}, "readings.fault"),
        ("readings.fault", {"table": "discrete", "address": 9, "kind": "bit", "bit": 1}, "readings.fault"),
        ("readings.counter_in.kind", "bit", "readings.counter_in"),
        ("readings.counter_in.address", 3, "readings.counter_out"),
        ("readings.counter_in.address", 65535, "readings.counter_in"),
        ("readings.counter_in.address", 65536, "readings.counter_in.address"),
        ("readings.counter_in", {"table": "coil", "address": 8, "kind": "u32"}, "readings.counter_in"),
        ("readings.firmware.inverted", True, "readings.firmware"),
        ("commands.pulse_entry.auto_reset", False, "commands.pulse_entry"),
        ("commands.pulse_exit.auto_reset", False, "commands.pulse_exit"),
        ("commands.pulse_entry.table", "holding", "pulse_entry.table"),
        ("commands.pulse_exit.address", 0, "share one address"),
        ("commands.indicator.values", {"idle": 0, "go": 1}, "commands.indicator.values"),
        ("commands.indicator.values", {"idle": 0, "go": 1, "refused": 1}, "commands.indicator.values"),
        ("commands.direction.values", {"entry": 0, "both": 1}, "commands.direction.values"),
        ("timings.timeout_ms", 0, "timings.timeout_ms"),
        ("word_order", "middle", "word_order"),
    ],
)
def test_a_wrong_key_is_refused_in_one_sentence_that_names_it(path: str, value: object, named: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_profile(changed(path, value), "profile x")
    assert named in str(caught.value)
    assert str(caught.value).startswith("profile x: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "path", "value", "named"),
    [
        ("command_register", "commands.pulse_entry.style", "knock", "knock"),
        ("command_register", "commands.pulse_entry.words", [1, 2], "number once"),
        ("command_register", "commands.pulse_entry.words", ["number", "number"], "number once"),
        ("command_register", "commands.pulse_entry.words", ["number"], "at least two words"),
        ("command_register", "commands.pulse_entry.words", [1, "ticket"], "words"),
        ("command_register", "commands.pulse_entry.words", [1, 70_000], "words"),
        ("command_register", "commands.pulse_entry.address", 65_535, "beyond address 65535"),
        ("command_register", "commands.pulse_entry.address", 1, "share one address"),
        ("command_register", ACK, None, "acknowledge"),
        ("command_register", f"{ACK}.refused", {}, "at least one refused"),
        ("command_register", f"{ACK}.refused.fault", 1, "different results"),
        ("command_register", f"{ACK}.pending", [1], "different results"),
        ("command_register", f"{ACK}.number.address", 8, f"{ACK}.result lies on {ACK}.number"),
        ("command_register", f"{ACK}.number.address", 20, "side by side"),
        ("command_register", f"{ACK}.number.table", "holding", "side by side"),
        ("command_register", f"{ACK}.result.kind", "u32", f"{ACK}.result must be of kind u16"),
        ("command_register", f"{ACK}.result.table", "coil", f"{ACK}.result"),
        ("command_register", f"{ACK}.within_ms", -1, "within_ms"),
        ("mode_register", "commands.pulse_entry.acknowledge", {}, "acknowledge"),
        ("mode_register", "commands.pulse_entry.words", [1, "number", 0], "share one address"),
        ("relay_board", "commands.pulse_entry.duration", 0, "duration"),
        ("relay_board", "commands.pulse_entry.table", "input", "table"),
        (
            "relay_board",
            "commands.pulse_entry",
            {"style": "timed_relay", "table": "coil", "address": 512, "duration": 0xFF00},
            "duration must not be 65280",
        ),
        ("relay_board", "turns_unseen_max", 40_000, "turns_unseen_max"),
        ("relay_board", "readings.counter_in.table", "discrete", "readings.counter_in"),
    ],
)
def test_a_wrong_key_of_another_style_is_refused_likewise(name: str, path: str, value: object, named: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_profile(changed(path, value, name), "profile x")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_style_of_controller_is_bundled() -> None:
    styles = {path.stem: type(load_profile(path.stem).commands.pulse_entry) for path in BUNDLED.parent.glob("*.yaml")}
    assert styles == {
        "pulse_coil": PulsePoint,
        "pulse_coil_drill": PulsePoint,
        "command_register": CommandOrder,
        "mode_register": SequenceOrder,
        "relay_board": TimedRelay,
    }


def test_a_status_takes_as_few_reads_as_the_profiles_say() -> None:
    profiles = [load_profile(name) for name in ("command_register", "mode_register", "relay_board")]
    assert [plan_reads(profile.read_points(), profile.read_across) for profile in profiles] == [
        (ReadBlock("input", 0, 7),),
        (ReadBlock("holding", 16, 6),),
        (ReadBlock("discrete", 0, 4), ReadBlock("input", 0, 2)),
    ]


def test_a_pulse_without_a_style_is_a_coil_as_before_there_were_several() -> None:
    assert parse_profile(changed("commands.pulse_entry.style", None), "profile x") == load_profile("pulse_coil")


def test_the_number_of_an_order_follows_the_byte_order_and_the_words_stand_as_they_are() -> None:
    profile = load_profile("command_register")
    order = profile.commands.pulse_entry
    assert isinstance(order, CommandOrder)
    assert profile.order_words(order, 0x1234) == [1, 0x1234]
    assert msgspec.structs.replace(profile, byte_order="little").order_words(order, 0x1234) == [1, 0x3412]


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "\tx",
        "- 1",
        "",
        "commands: 1",
        "commands: {pulse_entry: 1}",
        "name: 2001-99-99",
        "[" * 2_000,
        "'a\n\n b': 1",
        "1: 1",
        "a: &b *c",
        "a: \x00",
    ],
)
def test_what_is_not_a_yaml_map_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_profile(text, "profile x")
    assert "\n" not in str(caught.value)


def test_optional_readings_may_be_left_out() -> None:
    content = yaml.safe_load(changed("readings.waiting", None))
    del content["readings"]["firmware"], content["mirrors"], content["commands"]["direction"]
    profile = parse_profile(yaml.safe_dump(content), "profile x")
    assert set(profile.read_points()) == {"unlocked", "fault", "tamper", "fire_release", "counter_in", "counter_out"}
    assert profile.mirror_points() == {}


def test_reads_are_split_at_gaps_unless_the_controller_allows_to_read_across() -> None:
    points = {"a": Point("input", 0, "u16"), "b": Point("input", 1, "u32"), "c": Point("input", 5, "u16")}
    assert plan_reads(points, 0) == (ReadBlock("input", 0, 3), ReadBlock("input", 5, 1))
    assert plan_reads(points, 1) == (ReadBlock("input", 0, 3), ReadBlock("input", 5, 1))
    assert plan_reads(points, 2) == (ReadBlock("input", 0, 6),)


def test_reads_never_mix_tables_nor_exceed_what_one_request_may_ask() -> None:
    points = {str(at): Point("holding", at, "u16") for at in range(130)} | {"bit": Point("discrete", 0, "bit")}
    assert plan_reads(points, 0) == (ReadBlock("discrete", 0, 1), ReadBlock("holding", 0, 125), ReadBlock("holding", 125, 5))


def test_bits_that_share_a_register_are_read_once() -> None:
    points = {str(bit): Point("input", 4, "bit", bit) for bit in range(4)}
    assert plan_reads(points, 0) == (ReadBlock("input", 4, 1),)


@pytest.mark.parametrize(
    ("byte_order", "word_order", "cells"),
    [
        ("big", "big", [0x1122, 0x3344]),
        ("big", "little", [0x3344, 0x1122]),
        ("little", "big", [0x2211, 0x4433]),
        ("little", "little", [0x4433, 0x2211]),
    ],
)
def test_orders_of_bytes_and_words(byte_order: str, word_order: str, cells: list[int]) -> None:
    profile = msgspec.structs.replace(load_profile("pulse_coil"), byte_order=byte_order, word_order=word_order)
    point = profile.readings.counter_in
    assert profile.decode(point, cells) == 0x11223344
    assert profile.encode(point, 0x11223344) == cells


def test_a_bit_is_found_under_its_number_and_polarity() -> None:
    profile = load_profile("pulse_coil")
    assert profile.decode(Point("input", 0, "bit", 3), [0b1000]) == 1
    assert profile.decode(Point("input", 0, "bit", 2), [0b1000]) == 0
    assert profile.decode(Point("input", 0, "bit", 3, inverted=True), [0b1000]) == 0
    assert profile.decode(Point("discrete", 0, "bit", inverted=True), [0]) == 1


points = st.one_of(
    st.builds(Point, st.just("input"), st.just(0), st.just("bit"), st.integers(0, 15), st.booleans()),
    st.builds(Point, st.just("coil"), st.just(0), st.just("bit"), st.none(), st.booleans()),
    st.builds(Point, st.just("holding"), st.just(0), st.sampled_from(["u16", "u32"])),
)


@given(points, st.integers(0, 2**32 - 1), st.sampled_from(["big", "little"]), st.sampled_from(["big", "little"]))
def test_decode_inverts_encode(point: Point, value: int, byte_order: str, word_order: str) -> None:
    profile: TurnstileProfile = msgspec.structs.replace(
        load_profile("pulse_coil"), byte_order=byte_order, word_order=word_order
    )
    value %= {"bit": 2, "u16": 2**16, "u32": 2**32}[point.kind]
    cells = profile.encode(point, value)
    assert len(cells) == point.width
    assert profile.decode(point, cells) == value


def test_checking_returns_the_same_profile() -> None:
    profile = load_profile("pulse_coil")
    assert check_profile(profile, "x") is profile
