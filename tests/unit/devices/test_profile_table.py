"""Profiles as lines for people: nothing of the map is left out."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from devices.profile import load_profile
from devices.profile_table import HEADINGS, bundled_profiles, profile_line, profile_rows, profile_settings


def places(part: Any) -> Iterator[tuple[str, str]]:
    """Table and address of everything in a profile that has one."""
    if isinstance(part, dict):
        if "address" in part:
            yield part["table"], str(part["address"])
        for value in part.values():
            yield from places(value)


@pytest.mark.parametrize("name", bundled_profiles())
def test_every_place_of_a_profile_has_a_row(name: str) -> None:
    profile = load_profile(name)
    rows = profile_rows(profile)
    assert sorted((table, address) for table, address, _, _ in rows) == sorted(places(msgspec.to_builtins(profile)))
    assert all(len(row) == len(HEADINGS) for row in rows)
    assert sum(how.startswith("write") for _, _, _, how in rows) == len(
        list(filter(None, msgspec.structs.astuple(profile.commands)))
    )


def test_rows_are_in_the_order_of_the_map_and_say_how() -> None:
    rows = profile_rows(load_profile("pulse_coil"))
    assert [(table, int(address)) for table, address, _, _ in rows] == sorted(
        (table, int(address)) for table, address, _, _ in rows
    )
    assert ("input", "1", "unlocked", "read: kind bit, bit 0") in rows
    assert ("discrete", "3", "fire_release (mirror)", "read: kind bit") in rows
    assert ("holding", "1", "indicator", "write: values idle=0 go=1 refused=2") in rows
    assert ("discrete", "1", "fault", "read: kind bit, inverted true") in profile_rows(load_profile("relay_board"))


def test_a_line_and_settings_name_what_a_choice_goes_by() -> None:
    assert profile_line("relay_board").split()[:4] == ["relay_board", "timed_relay", "opens", "for"]
    assert profile_settings(load_profile("command_register")) == [
        "opens for 4000 ms, answers within 250 ms, a connection for each unit",
        "bytes big endian, words little endian, reads across 0",
    ]
