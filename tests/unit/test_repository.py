"""The repository itself: who owns the rooms' names, pinned and licensed parts, small files, and documents that are true."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from importlib.metadata import Distribution, distribution, distributions, packages_distributions
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import msgspec
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from resort.access.entitlement import Entitlement, Hours, PlaceHours
from resort.access.lane_cycle import CYCLE_TABLE
from resort.access.reasons import EXPLANATIONS, Reason
from resort.alarms import KINDS
from resort.face_rules import FaceDecision, FaceReason, FaceVerdict
from resort.messages import Event, JournalEvent, decode_event, encode_event
from resort.site import AlarmLimits
from resort.texts import Text

ROOT = Path(__file__).parents[2]
ROOMS = ("resort", "actors", "sales", "devices", "ml_models", "storage", "orchestrator", "web_console", "sim", "benchmarks")
NOT_OURS = {"node_modules", "static", "__pycache__"}
SOURCES = {".py", ".ts", ".vue", ".css", ".mjs", ".yaml", ".mako"}
LONGEST = 420  # lines
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")
NAMED_FILE = re.compile(r"`((?:" + "|".join((*ROOMS, "tests", "docs", "config")) + r")/[\w./-]+\.\w+)(?:::(\w+))?`")


def sources() -> Iterator[Path]:
    """Every source file that people write in the rooms and their tests."""
    for room in (*ROOMS, "tests"):
        for path in sorted((ROOT / room).rglob("*")):
            made = ".gen." in path.name  # by the build
            if path.is_file() and path.suffix in SOURCES and not made and not NOT_OURS & set(path.parts):
                yield path


def project() -> dict[str, Any]:
    """The `project` table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


# ---- names


def owners(room: str) -> set[str]:
    """The installed distributions that bring a package of this name.

    An editable install lists only a path file, which `packages_distributions` cannot see through: for those, the packages are
    what lies in the folder that the install points to.
    """
    found = set(packages_distributions().get(room, ()))
    for installed in distributions():
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
        if origin.get("dir_info", {}).get("editable"):
            folder = Path(url2pathname(unquote(urlsplit(origin["url"]).path)))
            if (folder / room / "__init__.py").is_file():
                found.add(installed.metadata["Name"])
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_exactly_one_owner(room: str) -> None:
    assert owners(room) == {"snowgate"}


def test_control_a_second_owner_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "stranger-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (folder / "RECORD").write_text("actors/__init__.py,,\nstranger-1.0.dist-info/METADATA,,\nstranger-1.0.dist-info/RECORD,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert owners("actors") == {"snowgate", "stranger"}


def test_every_top_level_package_is_a_room() -> None:
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ROOMS)


# ---- parts


def locked() -> dict[str, str]:
    """Version by canonical name, as the lock has them."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    entries = [match for line in lines if (match := PINNED.match(line))]
    return {canonicalize_name(match[1]): match[2] for match in entries}


def asked_for() -> list[str]:
    """Every requirement that pyproject.toml states."""
    table = project()
    return [*table["dependencies"], *(line for group in table["optional-dependencies"].values() for line in group)]


def test_every_requirement_is_pinned_and_is_what_the_lock_says() -> None:
    lock = locked()
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    for line in [*asked_for(), *build]:
        assert PINNED.match(line), f"{line} is not pinned"
    for line in asked_for():
        match = PINNED.match(line)
        assert match is not None
        assert lock.get(canonicalize_name(match[1])) == match[2], f"{line} is not what the lock has"


def test_every_locked_part_has_its_hashes() -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    parts = [entry for entry in entries if not entry.startswith(("#", " "))]
    assert len(parts) == len(locked())
    assert [entry.splitlines()[0] for entry in parts if "--hash=sha256:" not in entry] == []


def test_locks_hold_no_address() -> None:
    python_lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in python_lock
    assert "index" not in python_lock
    page_lock = (ROOT / "web_console/frontend/package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in page_lock
    assert "registry" not in page_lock
    assert "://" not in page_lock


def runtime_parts() -> dict[str, Distribution]:
    """What an installed Snowgate needs to run, by canonical name: requirements followed to their end, extras included."""
    found: dict[str, Distribution] = {}
    waiting: list[tuple[str, frozenset[str]]] = [("snowgate", frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = distribution(name)
        for line in found[name].requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                waiting.append((str(canonicalize_name(needed.name)), frozenset(needed.extras)))
    return found


def is_copyleft(part: Distribution) -> bool:
    """Whether the part is under the GPL or AGPL. The LGPL is fine for libraries that are loaded as they are."""
    stated = [line.split("\n")[0] for field in ("License-Expression", "License") for line in part.metadata.get_all(field) or []]
    stated += [line for line in part.metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    return any(re.search(r"(?<![A-Z])A?GPL|(?<!Lesser )General Public License", line) for line in stated)


# It says nothing of its licence. What it holds, espeak-ng, is under the GPL, and is run as a program of its own:
# docs/adr/0010-speech-in-a-process-of-its-own.md, and tests/unit/devices/test_speech_maker.py, which looks for it in ours.
RUN_APART = {"espeakng-loader"}


def test_no_part_that_runs_in_our_processes_is_under_the_gpl() -> None:
    parts = runtime_parts()
    assert set(parts) >= RUN_APART
    assert {"ray", "redis", "sqlalchemy", "greenlet", "pyzbar", "click"} <= set(parts)
    assert [name for name, part in parts.items() if is_copyleft(part) and name not in RUN_APART] == []


def test_control_a_gpl_tool_is_recognised_and_only_a_tool() -> None:
    assert is_copyleft(distribution("codespell"))
    assert "codespell" not in runtime_parts()


# ---- files


def too_long(paths: Iterable[Path]) -> list[str]:
    """The files with more than `LONGEST` lines."""
    counts = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    return [f"{path.name}: {lines} lines" for path, lines in counts.items() if lines > LONGEST]


def test_no_source_file_is_too_long() -> None:
    assert too_long(sources()) == []


def test_control_a_long_file_is_seen(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("\n" * (LONGEST + 1))
    (tmp_path / "full.py").write_text("\n" * LONGEST)
    assert too_long(sorted(tmp_path.iterdir())) == [f"long.py: {LONGEST + 1} lines"]


def test_nothing_is_left_for_later() -> None:
    assert UNFINISHED.search("a TO" + "DO here")
    found = [path.relative_to(ROOT) for path in sources() if UNFINISHED.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_hooks_fetch_nothing() -> None:
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    assert {hook["language"] for hook in repos[0]["hooks"]} == {"system"}


# ---- journal events

SAMPLES: dict[object, object] = {
    str: "x_雪",
    int: 4_294_967_295,
    float: 1.25,
    bool: True,
    datetime: datetime(2027, 1, 8, 9, 30, 0, 123456, tzinfo=UTC),
    date: date(2027, 1, 8),
    time: time(17, 30),
    Reason: Reason.WRONG_DAY,
    FaceVerdict: FaceVerdict.LOOK,
    FaceReason: FaceReason.UNSURE,
    Text: Text("雪", "snow"),
}


def sample(hint: Any, *, empty: bool) -> object:
    """A value of this type; None where the type allows it and `empty` asks for it, else something in every container."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return None if empty and NoneType in inner else sample(inner[0], empty=empty)
    if origin is Literal:
        return inner[-1]
    if origin is dict:
        return {sample(inner[0], empty=empty): sample(inner[1], empty=empty)}
    if origin in (list, tuple):
        return origin([] if empty else [sample(inner[0], empty=empty)])
    if isinstance(hint, type) and issubclass(hint, Entitlement | PlaceHours | Hours | FaceDecision):
        return whole(hint, empty=empty)
    return SAMPLES[getattr(hint, "__supertype__", hint)]


def whole(kind: Any, *, empty: bool) -> Any:
    """A struct with a sample in each field."""
    return kind(**{name: sample(hint, empty=empty) for name, hint in get_type_hints(kind).items() if name[0] != "_"})


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("kind", get_args(JournalEvent))
def test_an_event_comes_back_as_it_was(kind: Any, empty: bool) -> None:
    event = whole(kind, empty=empty)
    body = encode_event(event)
    again = decode_event(body)
    assert type(again) is kind
    assert again == event
    assert encode_event(again) == body


def test_every_event_class_is_in_the_union() -> None:
    assert set(Event.__subclasses__()) == set(get_args(JournalEvent))


def test_control_an_unknown_event_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_event(
            b'{"kind":"LaneDreamt","event_id":"e","caused_by":"c","at":"2027-01-08T00:00:00Z","gate_id":"","lane_id":""}'
        )


# ---- documents


def broken_links(document: Path, text: str) -> list[str]:
    """The local links of a document that lead nowhere."""
    targets = [target.split("#")[0] for target in LINK.findall(text)]
    local = [target for target in targets if target and not urlsplit(target).scheme]
    return [target for target in local if not (document.parent / unquote(target)).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_named_files_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert broken_links(document, text) == []
    for path, name in NAMED_FILE.findall(text):
        assert (ROOT / path).is_file(), f"{path} does not exist"
        if name:
            assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), f"{path} has no {name}"


def test_control_a_broken_link_is_seen() -> None:
    text = "[a](api.md#live) [b](nowhere.md) [c](https://example.org/x.md) [d](#here)"
    assert broken_links(ROOT / "docs" / "architecture.md", text) == ["nowhere.md"]


def table_rows(document: str) -> list[list[str]]:
    """The cells of every table row."""
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines if line.startswith("|")]


def test_the_lanes_page_lists_exactly_the_reasons_in_both_languages() -> None:
    rows = [row for row in table_rows("docs/lanes.md") if row[0].startswith("`")]
    expected = {f"`{reason.value}`": [EXPLANATIONS[reason].zh, EXPLANATIONS[reason].en] for reason in Reason}
    assert {row[0]: row[1:] for row in rows} == expected
    assert len(rows) == len(expected)


def test_the_lanes_page_has_exactly_the_cycle() -> None:
    rows = {(row[0], row[1].strip("`"), row[2]) for row in table_rows("docs/lanes.md") if row[0].isupper()}
    assert rows == {(state.name, trigger, after.name) for (state, trigger), after in CYCLE_TABLE.items()}


def test_the_alarms_page_lists_exactly_the_alarms_with_severity_and_words() -> None:
    rows = [row for row in table_rows("docs/alarms.md") if row[0].strip("`") in KINDS and len(row) == 5]
    expected = {f"`{name}`": [kind.severity, kind.text.zh, kind.text.en] for name, kind in KINDS.items()}
    assert {row[0]: row[1:4] for row in rows} == expected
    assert len(rows) == len(expected)


def test_the_alarms_page_names_every_threshold_with_its_default() -> None:
    names = AlarmLimits.__struct_fields__
    rows = [row for row in table_rows("docs/alarms.md") if row[0].strip("`") in names and len(row) == 3]
    assert {row[0].strip("`"): int(row[1]) for row in rows} == msgspec.structs.asdict(AlarmLimits())
    assert len(rows) == len(names)


@pytest.mark.parametrize("kind", KINDS)
def test_the_operators_page_explains_every_alarm_in_its_own_words(kind: str) -> None:
    page = (ROOT / "docs/operator.md").read_text(encoding="utf-8")
    assert KINDS[kind].text.zh in page
    assert KINDS[kind].text.en in page
