"""A spool on a real disk: what it took is there after every end of its owner, and when it takes nothing more."""

import asyncio
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from resort.errors import Bug, Busy, SpoolFull
from resort.ids import LaneId
from resort.messages import JournalEvent
from storage.spool import LEAST_SEGMENTS, Spool, read_spool
from storage.spool_file import Mark, pack_mark
from tests.unit.storage.lane_events import LANE, OTHER, a_change, a_grant, a_passage, a_refusal, a_release

SMALL = 8192  # bytes of a segment: a few dozen events fill it
PATIENCE_S = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "north.spool"


@pytest.fixture
async def spool(path: Path) -> AsyncIterator[Spool]:
    opened = small(path)
    yield opened
    await opened.close()


def small(path: Path) -> Spool:
    return Spool.open(path, LEAST_SEGMENTS * SMALL, SMALL, try_again_s=0.0)


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def copies_of(path: Path) -> list[str]:
    return sorted(copy.name for copy in path.parent.glob("*.damaged-*"))


def left_in(path: Path) -> list[JournalEvent] | None:
    return read_spool(path, SMALL)


@contextmanager
def disk_full(at: int = 0) -> Iterator[None]:
    """No file grows, or is written at all, behind `at` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def fill(spool: Spool, first: int = 1, kind: str = "grant") -> int:
    """Append until there is no room; answers the number of the last event that was taken."""
    number = first
    make = {"grant": a_grant, "refusal": a_refusal}[kind]
    while True:
        try:
            await spool.append([make(number)])
        except SpoolFull:
            return number - 1
        number += 1


async def test_a_fresh_spool_is_empty(spool: Spool) -> None:
    assert spool.unconfirmed() == []
    assert spool.last_seq(LANE) == 0
    spool.check_room()


async def test_what_was_appended_is_there_in_order(spool: Spool) -> None:
    grant = a_grant(1)
    events = [grant, a_passage(2, grant), a_change(1, OTHER), a_refusal(3)]
    await spool.append(events[:1])
    await spool.append(events[1:])
    await spool.append([])
    assert spool.unconfirmed() == events
    assert (spool.last_seq(LANE), spool.last_seq(OTHER)) == (3, 1)


async def test_it_survives_its_owner(path: Path) -> None:
    spool = small(path)
    await spool.append([a_grant(1), a_change(1, OTHER)])
    await spool.close()
    assert left_in(path) == [a_grant(1), a_change(1, OTHER)]
    again = small(path)
    assert again.unconfirmed() == [a_grant(1), a_change(1, OTHER)]
    await again.append([a_release(2, a_grant(1))])
    await again.close()
    assert left_in(path) == [a_grant(1), a_change(1, OTHER), a_release(2, a_grant(1))]


async def test_appends_of_one_turn_go_to_disk_together(spool: Spool, path: Path) -> None:
    events = [a_grant(1, LaneId(f"lane-{number}")) for number in range(50)]
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(spool.append([event]) for event in events))
    assert spool.unconfirmed() == events


async def test_flushed_waits_for_what_is_under_way(spool: Spool) -> None:
    appending = asyncio.create_task(spool.append([a_grant(1)]))
    await asyncio.sleep(0)
    await spool.flushed()
    assert spool.unconfirmed() == [a_grant(1)]
    await appending


async def test_an_append_that_was_cancelled_may_be_there_and_harms_nobody(spool: Spool) -> None:
    appending = asyncio.create_task(spool.append([a_grant(1)]))
    await asyncio.sleep(0)
    appending.cancel()
    await asyncio.gather(appending, return_exceptions=True)
    await spool.append([a_refusal(2)])
    assert spool.unconfirmed() == [a_grant(1), a_refusal(2)]


async def test_what_sql_has_is_forgotten_lane_by_lane(spool: Spool) -> None:
    await spool.append([a_grant(1), a_refusal(2), a_change(1, OTHER)])
    spool.confirm({LANE: 1})
    assert spool.unconfirmed() == [a_refusal(2), a_change(1, OTHER)]
    spool.confirm({LANE: 0, OTHER: 5, LaneId("unheard of"): 3})
    assert spool.unconfirmed() == [a_refusal(2)]


async def test_what_sql_has_stays_forgotten_and_numbers_stay_known(path: Path) -> None:
    spool = small(path)
    await spool.append([a_grant(number) for number in range(1, 6)])
    spool.confirm({LANE: 5})
    await spool.close()
    assert left_in(path) == []
    again = small(path)
    assert again.unconfirmed() == []
    assert again.last_seq(LANE) == 5
    await again.close()


async def test_it_starts_over_in_a_file_that_does_not_grow(path: Path) -> None:
    spool = small(path)
    for number in range(1, 1000):
        await spool.append([a_grant(number)])
        spool.confirm({LANE: number - 3})
    assert [event.lane_seq for event in spool.unconfirmed()] == [997, 998, 999]
    await spool.close()
    assert len(bytes_of(path)) <= LEAST_SEGMENTS * SMALL
    again = small(path)
    assert [event.lane_seq for event in again.unconfirmed()] == [997, 998, 999]
    assert again.last_seq(LANE) == 999
    await again.close()


async def test_a_full_spool_takes_no_grant_but_the_outcomes_of_all(spool: Spool, path: Path) -> None:
    last = await fill(spool)
    with pytest.raises(SpoolFull):
        spool.check_room()
    others = await fill(spool, last + 1, "refusal")
    assert others > last
    with pytest.raises(SpoolFull):
        await spool.append([a_refusal(others + 1)])
    outcome = a_release(others + 1, a_grant(1))
    await spool.append([outcome])
    assert spool.unconfirmed()[-1] == outcome
    assert [event.lane_seq for event in spool.unconfirmed()] == list(range(1, others + 2))
    spool.confirm({LANE: others})
    await spool.append([a_grant(others + 2)])
    assert [event.lane_seq for event in spool.unconfirmed()] == [others + 1, others + 2]
    spool.check_room()


async def test_it_tells_how_full_it_is(path: Path) -> None:
    spool = small(path)
    assert spool.percent_used < 40
    last = await fill(spool)
    assert spool.percent_used > 95
    spool.confirm({LANE: last})
    await spool.append([a_release(last + 1, a_grant(1))])
    assert spool.percent_used < 40
    await spool.close()
    with disk_full():
        again = small(path)
        with pytest.raises(SpoolFull):
            await again.append([a_grant(last + 2)])
        assert again.percent_used == 100
        await again.close()


async def test_a_full_disk_is_met_before_a_grant(path: Path) -> None:
    with disk_full(2 * SMALL):
        spool = small(path)
        last = await fill(spool)
        with pytest.raises(SpoolFull, match="too large"):
            spool.check_room()
        await spool.append([a_release(last + 1, a_grant(1))])
        await spool.close()
    assert len(left_in(path) or []) == last + 1


async def test_once_the_disk_has_room_again_grants_go_on(path: Path) -> None:
    with disk_full(SMALL):
        spool = small(path)
        with pytest.raises(SpoolFull):
            await spool.append([a_grant(1)])
        with pytest.raises(SpoolFull):
            spool.check_room()
        await spool.flushed()
    with pytest.raises(SpoolFull):
        spool.check_room()  # not yet known
    await spool.flushed()
    spool.check_room()
    await spool.append([a_grant(1)])
    assert spool.unconfirmed() == [a_grant(1)]
    await spool.close()


async def test_a_write_that_failed_is_as_if_it_had_never_been(spool: Spool, path: Path) -> None:
    await spool.append([a_refusal(1)])
    with disk_full():
        with pytest.raises(SpoolFull):
            await spool.append([a_grant(2)])
        with pytest.raises(SpoolFull):
            await spool.append([a_release(3, a_grant(1))])
        with pytest.raises(SpoolFull):
            spool.check_room()
    await spool.append([a_refusal(4)])
    assert spool.unconfirmed() == [a_refusal(1), a_refusal(4)]
    spool.check_room()
    await spool.close()
    assert left_in(path) == [a_refusal(1), a_refusal(4)]


async def test_a_folder_that_cannot_be_made_is_no_room(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolFull):
        Spool.open(tmp_path / "file" / "north.spool")


async def test_an_event_that_could_never_fit_is_a_bug(spool: Spool) -> None:
    with pytest.raises(Bug):
        await spool.append([a_change(1, detail="x" * SMALL)])


async def test_a_closed_spool_takes_nothing(path: Path) -> None:
    spool = small(path)
    await spool.close()
    await spool.close()
    with pytest.raises(SpoolFull, match="closed"):
        await spool.append([a_grant(1)])
    with pytest.raises(SpoolFull, match="closed"):
        spool.check_room()


async def test_a_living_owner_is_seen(spool: Spool, path: Path) -> None:
    assert left_in(path) is None
    with pytest.raises(Busy):
        small(path)


def test_a_file_that_is_not_there_is_an_empty_one(tmp_path: Path) -> None:
    assert read_spool(tmp_path / "nobody.spool") == []


async def test_damage_costs_one_event_and_leaves_a_copy(path: Path) -> None:
    spool = small(path)
    for number in range(1, 11):
        await spool.append([a_refusal(number)])
    await spool.close()
    data = bytearray(bytes_of(path))
    place = data.find(b'"north-1:4"')
    data[place + 5] ^= 1
    overwrite(path, data)
    again = small(path)
    assert [event.lane_seq for event in again.unconfirmed()] == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert bytes_of(path.with_suffix(".damaged-1")) == data
    await again.append([a_refusal(11)])
    await again.close()
    assert [event.lane_seq for event in left_in(path) or []] == [1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    third = small(path)
    await third.close()
    assert copies_of(path) == ["north.damaged-1"], "what was read is written anew"


async def test_a_body_that_is_no_event_is_damage(path: Path) -> None:
    spool = small(path)
    await spool.append([a_refusal(1)])
    await spool.close()
    data = bytes_of(path)
    overwrite(path, b"something else".ljust(SMALL, b".") + data[SMALL:])
    again = small(path)
    assert again.unconfirmed() == []
    await again.close()
    third = small(path)
    await third.close()
    assert copies_of(path) == ["north.damaged-1"]


async def test_cut_anywhere_it_opens_with_what_is_whole_and_goes_on(path: Path) -> None:
    spool = small(path)
    for number in range(1, 7):
        await spool.append([a_refusal(number)])
    await spool.close()
    whole = bytes_of(path)
    first = len(pack_mark(1, Mark([1], {}, {})))
    end = whole.find(b"\0" * 64)
    step = 7  # every byte is tried on the form of the file; here that opening and going on works
    for cut in range(first, end, step):
        overwrite(path, whole[:cut].ljust(len(whole), b"\0"))
        again = small(path)
        kept = [event.lane_seq for event in again.unconfirmed()]
        assert kept == list(range(1, len(kept) + 1))
        await again.append([a_refusal(9)])
        await again.close()
        assert [event.lane_seq for event in left_in(path) or []] == [*kept, 9]


CHILD = """
import asyncio, sys
from pathlib import Path
from storage.spool import Spool
from tests.unit.storage.lane_events import a_refusal, LaneId

async def main():
    spool = Spool.open(Path(sys.argv[1]))
    print("open", flush=True)
    async def lane(name):
        number = spool.last_seq(name)
        while True:
            number += 1
            await spool.append([a_refusal(number, name)])
            print(name, number, flush=True)
    await asyncio.gather(*(lane(LaneId(f"lane-{place}")) for place in range(4)))

asyncio.run(main())
"""


def test_a_killed_process_loses_nothing_that_was_acknowledged(path: Path) -> None:
    told: dict[str, int] = {}
    for kill_after in (1, 40, 333):
        with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = iter(child.stdout)
            assert next(lines).strip() == "open"
            assert read_spool(path) is None
            for _ in range(kill_after):
                lane, number = next(lines).split()
                told[lane] = int(number)
            child.kill()
            for line in lines:  # what it had still told; the last line may be torn
                if len(words := line.split()) == 2 and line.endswith("\n"):
                    told[words[0]] = int(words[1])
            child.wait()
        left = read_spool(path)
        assert left is not None
        by_lane: dict[str, list[int]] = {}
        for event in left:
            by_lane.setdefault(event.lane_id, []).append(event.lane_seq)
        for lane, numbers in by_lane.items():
            assert numbers == list(range(1, len(numbers) + 1)), "each once, in order"
            assert len(numbers) >= told.get(lane, 0)
        assert told.keys() <= by_lane.keys()
