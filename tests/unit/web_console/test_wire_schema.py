"""The committed schema is what the server's structs say, and real frames satisfy it."""

from datetime import UTC, datetime
from typing import Any

import jsonschema
import msgspec
import pytest

from resort.feed import AlarmView, Delta, GateView, Heartbeat, LaneView, LastDecision, Snapshot
from resort.texts import Text
from web_console.wire_schema import SCHEMA_FILE, rendered, wire_schema

AT = datetime(2027, 1, 5, 9, 0, tzinfo=UTC)
GATE = GateView("village", Text("山门", "Village gate"), 3, 1, None)
LANE = LaneView(
    "village-1",
    "village",
    Text("1 号", "Lane 1"),
    "standard",
    "ready",
    Text("", ""),
    3,
    0,
    1,
    2,
    LastDecision(AT, True, "admitted", Text("请", "Go")),
)
ALARM = AlarmView(
    "k",
    "warning",
    "village",
    "village-1",
    Text("警", "Alarm"),
    AT,
    {"count": 8, "share": 0.5, "event": "e1"},
    "cora",
    AT,
    "seen",
)


def validator() -> jsonschema.Draft202012Validator:
    schema: dict[str, Any] = wire_schema()
    return jsonschema.Draft202012Validator({**schema, "$ref": "#/$defs/FeedFrame"})


def test_committed_schema_has_not_drifted() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == rendered(), "run: python -m web_console.wire_schema"


def test_rendering_is_deterministic() -> None:
    assert rendered() == rendered()


def test_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(wire_schema())


@pytest.mark.parametrize(
    "frame",
    [
        Snapshot(4, AT, Text("场", "Site"), [GATE], [LANE], [ALARM]),
        Delta(4, 5, AT, [], [LANE], None),
        Delta(4, 5, AT, [GATE], [], [ALARM]),
        Heartbeat(5, AT),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_real_frames_satisfy_the_schema(frame: Snapshot | Delta | Heartbeat) -> None:
    validator().validate(msgspec.json.decode(msgspec.json.encode(frame)))


def test_a_frame_without_its_version_is_refused() -> None:
    body = msgspec.to_builtins(Heartbeat(5, AT))
    del body["version"]
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(body)
