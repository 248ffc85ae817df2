"""Turnstile profiles as lines for people: which there are, and the map of one as a table. Reads profiles, nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from devices.profile import TurnstileProfile, load_profile

HEADINGS = ("table", "address", "meaning", "how")
_PROFILES = Path(__file__).parent / "profiles"
_PLACE = ("table", "address")


def bundled_profiles() -> tuple[str, ...]:
    """The names of the profiles that come with the program."""
    return tuple(sorted(found.stem for found in _PROFILES.glob("*.yaml")))


def profile_line(name: str) -> str:
    """One bundled profile in a line: its style, what it has, its open window."""
    profile = load_profile(name)
    style = str(msgspec.to_builtins(profile.commands.pulse_entry).get("style", "coil"))
    has = [key for key in ("indicator", "direction", "pulse_exit") if getattr(profile.commands, key) is not None]
    has += [key for key in ("firmware", "waiting") if getattr(profile.readings, key) is not None]
    return f"{name:20} {style:12} opens for {profile.timings.open_window_ms} ms; has {', '.join(has) or 'nothing optional'}"


def profile_rows(profile: TurnstileProfile) -> list[tuple[str, str, str, str]]:
    """The map, a row for each place, by table and address: table, address, meaning, how it is read or written."""
    rows = [row for group in ("commands", "readings", "mirrors") for row in _rows(group, getattr(profile, group))]
    return [row for _, row in sorted(rows)]


def profile_settings(profile: TurnstileProfile) -> list[str]:
    """What holds for the whole map."""
    timings = profile.timings
    connection = "one connection for all units" if profile.shared_connection else "a connection for each unit"
    return [
        f"opens for {timings.open_window_ms} ms, answers within {timings.timeout_ms} ms, {connection}",
        f"bytes {profile.byte_order} endian, words {profile.word_order} endian, reads across {profile.read_across}",
    ]


def _rows(group: str, values: msgspec.Struct) -> Iterator[tuple[tuple[str, int], tuple[str, str, str, str]]]:
    for key, part in msgspec.to_builtins(values).items():
        for name, place in _places(key, part):
            how = ", ".join(
                f"{word} {_said(value)}"
                for word, value in place.items()
                if word not in _PLACE and value is not None and value is not False
            )
            access = "write" if group == "commands" and name == key else "read"
            at = place["table"], place["address"]
            yield (
                at,
                (at[0], str(at[1]), name if group != "mirrors" else f"{name} (mirror)", f"{access}: {how}" if how else access),
            )


def _places(name: str, part: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a command or reading that has an address, under a name of its own."""
    if not isinstance(part, dict):
        return
    inner = {key: value for key, value in part.items() if isinstance(value, dict) and "address" in value}
    deeper = {key: value for key, value in part.items() if isinstance(value, dict) and _has_place(value) and key not in inner}
    if "address" in part:
        yield name, {key: value for key, value in part.items() if key not in inner and key not in deeper}
    for key, value in {**inner, **deeper}.items():
        yield from _places(f"{name}.{key}", value)


def _has_place(part: dict[str, Any]) -> bool:
    return any(isinstance(value, dict) and ("address" in value or _has_place(value)) for value in part.values())


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={_said(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
