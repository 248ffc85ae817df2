"""What a turnstile controller's registers mean, as data: read from YAML, checked, and turned into values and back.

Pure but for `load_profile`, which reads one file. Speaks no Modbus; `devices/turnstile.py` asks the wire and
`sim/turnstile_server.py` plays the other end, both by the same profile. The keys are explained in `profiles/pulse_coil.yaml`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml

from devices.profile_points import (
    NUMBER,
    Acknowledge,
    CommandOrder,
    EntryOrder,
    Kind,
    ModePoint,
    NumberedOrder,
    PulsePoint,
    TimedRelay,
)
from devices.profile_points import Point as Point
from devices.profile_points import Table as Table
from resort.errors import InvalidConfig
from resort.site import Strict

Order = Literal["big", "little"]

BIT_TABLES = ("coil", "discrete")
INDICATORS = ("idle", "go", "refused")
DIRECTIONS = ("entry", "exit_only")
COIL_ON = 0xFF00  # 6.5
MAX_WORDS_PER_READ = 125  # Modbus Application Protocol V1.1b3, 6.3 and 6.4
MAX_BITS_PER_READ = 2000  # 6.1 and 6.2
_KINDS: dict[str, tuple[Kind, ...]] = {
    "counter_in": ("u16", "u32"),
    "counter_out": ("u16", "u32"),
    "firmware": ("u16",),
    "waiting": ("u16",),
    "number": ("u16",),
    "result": ("u16",),
}
_PROFILES = Path(__file__).parent / "profiles"


class Timings(Strict, frozen=True):
    """Milliseconds."""

    open_window_ms: Annotated[int, msgspec.Meta(ge=100, le=60_000)]
    timeout_ms: Annotated[int, msgspec.Meta(ge=20, le=5_000)] = 250


class Commands(Strict, frozen=True):
    """What can be written."""

    pulse_entry: EntryOrder
    indicator: ModePoint | None = None
    pulse_exit: PulsePoint | None = None
    direction: ModePoint | None = None


class Readings(Strict, frozen=True):
    """What a status consists of; the names are those of `resort.ports.TurnstileStatus`."""

    unlocked: Point
    fault: Point
    tamper: Point
    fire_release: Point
    counter_in: Point
    counter_out: Point
    firmware: Point | None = None
    waiting: Point | None = None


class Mirrors(Strict, frozen=True):
    """Places that repeat a status bit for other masters."""

    unlocked: Point | None = None
    fault: Point | None = None
    tamper: Point | None = None
    fire_release: Point | None = None


class TurnstileProfile(Strict, frozen=True):
    """One controller model."""

    name: str
    timings: Timings
    commands: Commands
    readings: Readings
    mirrors: Mirrors = Mirrors()
    byte_order: Order = "big"
    word_order: Order = "big"
    read_across: Annotated[int, msgspec.Meta(ge=0, le=MAX_WORDS_PER_READ)] = 0
    shared_connection: bool = False
    turns_unseen_max: Annotated[int, msgspec.Meta(ge=1, le=0x7FFF)] = 1024  # between two readings of a u16 counter

    def read_points(self) -> dict[str, Point]:
        """The readings that this model has, by name."""
        return dict(_present(self.readings))

    def mirror_points(self) -> dict[str, Point]:
        """The repeated status bits that this model has, by name."""
        return dict(_present(self.mirrors))

    def order_words(self, order: NumberedOrder, number: int) -> list[int]:
        """What to write for that order under this number. Only the number follows `byte_order`, as where it is read back."""
        return [self._word(number) if word == NUMBER else word for word in order.words]

    def decode(self, point: Point, cells: list[int]) -> int:
        """The value at `point`, given the `point.width` cells that start at its address (bits as 0 or 1)."""
        if point.kind == "bit":
            value = cells[0] if point.bit is None else (self._word(cells[0]) >> point.bit) & 1
            return value ^ 1 if point.inverted else value
        if point.kind == "u16":
            return self._word(cells[0])
        high, low = cells if self.word_order == "big" else (cells[1], cells[0])
        return self._word(high) << 16 | self._word(low)

    def encode(self, point: Point, value: int) -> list[int]:
        """The cells that say `value`: the inverse of `decode`. A bit inside a register comes as that register's share."""
        if point.kind == "bit":
            raised = value ^ 1 if point.inverted else value
            return [raised if point.bit is None else self._word(raised << point.bit)]
        if point.kind == "u16":
            return [self._word(value & 0xFFFF)]
        high, low = self._word(value >> 16 & 0xFFFF), self._word(value & 0xFFFF)
        return [high, low] if self.word_order == "big" else [low, high]

    def _word(self, cell: int) -> int:
        """The register as a number, or the number as a register: swapping bytes is its own inverse."""
        return cell if self.byte_order == "big" else (cell & 0xFF) << 8 | cell >> 8


class ReadBlock(msgspec.Struct, frozen=True):
    """One request: `count` cells of `table` from `address`."""

    table: Table
    address: int
    count: int


def plan_reads(points: Mapping[str, Point], read_across: int) -> tuple[ReadBlock, ...]:
    """The fewest reads that cover all points without running across more than `read_across` addresses of no meaning."""
    blocks: list[ReadBlock] = []
    for point in sorted(points.values(), key=lambda point: (point.table, point.address)):
        last = blocks[-1] if blocks else None
        if last is not None and last.table == point.table:
            end = max(last.address + last.count, point.address + point.width)
            limit = MAX_BITS_PER_READ if point.table in BIT_TABLES else MAX_WORDS_PER_READ
            if point.address <= last.address + last.count + read_across and end - last.address <= limit:
                blocks[-1] = ReadBlock(last.table, last.address, end - last.address)
                continue
        blocks.append(ReadBlock(point.table, point.address, point.width))
    return tuple(blocks)


def load_profile(name_or_path: str | Path) -> TurnstileProfile:
    """The bundled profile of that name, or the one in a file (a slash or .yaml says so). Raises InvalidConfig."""
    named = str(name_or_path)
    is_path = isinstance(name_or_path, Path) or "/" in named or named.endswith((".yaml", ".yml"))
    path = Path(named) if is_path else _PROFILES / f"{named}.yaml"
    place = f"turnstile profile {named}"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(sorted(found.stem for found in _PROFILES.glob("*.yaml")))
        raise InvalidConfig(place, f"there is no such profile; bundled ones are {known}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(place, f"the file cannot be read ({error})") from error
    return parse_profile(text, place)


def parse_profile(text: str, place: str) -> TurnstileProfile:
    """The profile that a YAML text says. Raises InvalidConfig naming `place` and the first key that is wrong."""
    try:
        return check_profile(msgspec.convert(_with_style(yaml.safe_load(text)), TurnstileProfile), place)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidConfig(place, f"this is not YAML{line} ({error.problem})") from error
    except yaml.YAMLError as error:
        raise InvalidConfig(place, f"this is not YAML ({' '.join(str(error).split())})") from error
    except msgspec.ValidationError as error:
        raise InvalidConfig(place, " ".join(str(error).split())) from error  # a key may hold line breaks
    except (ValueError, RecursionError) as error:  # of a date that cannot be, a number without end, brackets without end
        raise InvalidConfig(place, f"a value cannot be read ({' '.join(str(error).split())})") from error


def _with_style(content: object) -> object:
    """The same content, with the style that files had before there were several."""
    match content:
        case {"commands": {"pulse_entry": dict() as entry}}:
            entry.setdefault("style", "coil")
    return content


def check_profile(profile: TurnstileProfile, place: str) -> TurnstileProfile:
    """Check what types alone cannot; returns the same profile. Raises InvalidConfig."""
    _check_commands(place, profile.commands)
    entry = profile.commands.pulse_entry
    if isinstance(entry, CommandOrder):
        _check_acknowledge(place, entry.acknowledge, profile.read_across)
    points = [(f"readings.{key}", key, point) for key, point in profile.read_points().items()]
    points += [(f"mirrors.{key}", key, point) for key, point in profile.mirror_points().items()]
    for where, key, point in points:
        _check_point(place, where, key, point)
    _check_overlap(place, [(where, point) for where, _, point in points])
    return profile


def _check_commands(place: str, commands: Commands) -> None:
    """Each command is complete, and has addresses of its own."""
    for key, pulse in (("pulse_entry", commands.pulse_entry), ("pulse_exit", commands.pulse_exit)):
        if isinstance(pulse, PulsePoint) and not pulse.auto_reset:
            # A relay that has to be switched off by us would stay open when the second write is lost.
            raise InvalidConfig(place, f"commands.{key} must reset by itself; this driver writes a pulse exactly once")
    entry = commands.pulse_entry
    if isinstance(entry, TimedRelay) and entry.table == "coil" and entry.duration == COIL_ON:
        raise InvalidConfig(place, f"commands.pulse_entry.duration must not be {COIL_ON}: to a coil that says on, for good")
    if isinstance(entry, NumberedOrder) and (len(entry.words) < 2 or entry.words.count(NUMBER) != 1):
        raise InvalidConfig(place, f"commands.pulse_entry.words needs at least two words, and {NUMBER} once among them")
    for key, mode, names in (("indicator", commands.indicator, INDICATORS), ("direction", commands.direction, DIRECTIONS)):
        if mode is not None and (set(mode.values) != set(names) or len(set(mode.values.values())) != len(names)):
            raise InvalidConfig(place, f"commands.{key}.values needs one value each for {', '.join(names)}")
    taken: set[tuple[Table, int]] = set()
    for command in (entry, commands.pulse_exit, commands.indicator, commands.direction):
        if command is None:
            continue
        width = 1 if isinstance(command, ModePoint) else command.width
        if command.address + width > 0x10000:
            raise InvalidConfig(place, "a command reaches beyond address 65535")
        cells = {(command.table, command.address + offset) for offset in range(width)}
        if cells & taken:
            raise InvalidConfig(place, "two commands share one address")
        taken |= cells


def _check_acknowledge(place: str, acknowledge: Acknowledge, read_across: int) -> None:
    """Number and result are told at one moment, and no result means two things."""
    where = "commands.pulse_entry.acknowledge"
    points = {"number": acknowledge.number, "result": acknowledge.result}
    for key, point in points.items():
        _check_point(place, f"{where}.{key}", key, point)
    _check_overlap(place, [(f"{where}.{key}", point) for key, point in points.items()])
    if len(plan_reads(points, read_across)) != 1:
        # Between two requests the result could become that of another order.
        raise InvalidConfig(place, f"{where} needs number and result side by side, to be read in one request")
    results = [acknowledge.done, *acknowledge.refused.values(), *acknowledge.pending]
    if not acknowledge.refused or len(set(results)) != len(results):
        raise InvalidConfig(place, f"{where} needs different results for done, at least one refused, and pending")


def _check_point(place: str, where: str, key: str, point: Point) -> None:
    """The value's kind fits its meaning, its table and the address space."""
    wanted = _KINDS.get(key, ("bit",))
    if point.kind not in wanted:
        raise InvalidConfig(place, f"{where} must be of kind {' or '.join(wanted)}")
    in_bits = point.table in BIT_TABLES
    if point.kind != "bit" and (in_bits or point.bit is not None or point.inverted):
        raise InvalidConfig(place, f"{where} must be a whole value in a holding or input register")
    if point.kind == "bit" and in_bits == (point.bit is not None):
        raise InvalidConfig(place, f"{where} needs a bit number inside a register, and none in coils and discrete inputs")
    if point.address + point.width > 0x10000:
        raise InvalidConfig(place, f"{where} reaches beyond address 65535")


def _check_overlap(place: str, points: list[tuple[str, Point]]) -> None:
    """No two values claim the same bit."""
    taken: dict[tuple[str, int, int], str] = {}
    for where, point in points:
        bits = range(16) if point.bit is None else (point.bit,)
        for address in range(point.address, point.address + point.width):
            for bit in bits:
                other = taken.setdefault((point.table, address, bit), where)
                if other != where:
                    raise InvalidConfig(place, f"{where} lies on {other}")


def _present(group: Readings | Mirrors) -> Iterator[tuple[str, Point]]:
    for key in group.__struct_fields__:
        point = getattr(group, key)
        if point is not None:
            yield key, point
