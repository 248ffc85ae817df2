"""What guests of a lane hear and see: the newest result wins, nothing queues, and no speaker or lamp ever troubles a lane."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, time
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from actors.lane_results import LaneResults, NoResults, lane_results
from actors.lane_runtime import LaneRuntime
from devices.modbus_bus import BusRegistry
from devices.speaker import Played
from devices.speech_clips import ClipPack
from devices.speech_maker import SpeechMaker
from devices.speech_phrases import LanePhrases
from devices.speech_store import SpeechStore
from resort.access.lane_voice import TellGuest
from resort.access.reasons import Reason
from resort.clock import ManualClock
from resort.errors import Unavailable
from resort.ids import RandomIds
from resort.messages import PassageConfirmed, ScanRefused
from resort.ports import Clip
from resort.site import LampSite, LaneSite, LoudnessSite, Site, SpeakerSite
from tests.unit.actors.test_lane_runtime import KEYS, Stand, has
from tests.unit.devices.relay_board import RelayBoard

PATIENCE_S = 20.0
GO = TellGuest("admitted", "go")
REFUSED = TellGuest("already_used", "refused")
NOBODY = TellGuest("", "idle")


class Told:
    """What a device was told, in order; whoever waits for something is woken."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self._changed = asyncio.Event()

    def add(self, what: str) -> None:
        self.story.append(what)
        self._changed.set()

    async def until(self, holds: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds(self.story):
                self._changed.clear()
                await self._changed.wait()


class HeldSpeaker:
    """A speaker that plays each clip until the test lets it end; it can be broken."""

    def __init__(self) -> None:
        self.told = Told()
        self.end = asyncio.Event()
        self.error: Exception | None = None

    async def play(self, clip: Clip, percent: int) -> None:
        if self.error is not None:
            self.told.add(f"failed {clip.name}")
            raise self.error
        self.told.add(f"began {clip.name} {percent}")
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.told.add(f"cut {clip.name}")
            raise
        self.told.add(f"ended {clip.name}")

    async def close(self) -> None:
        self.told.add("closed")


class NotedLamp:
    """A lamp that notes what is lit; it can be away."""

    def __init__(self) -> None:
        self.told = Told()
        self.away = False

    async def light(self, lit: frozenset[str]) -> None:
        if self.away:
            self.told.add("away")
            raise Unavailable("The lamp", "switched off")
        self.told.add("+".join(sorted(lit)) or "dark")

    async def close(self) -> None:
        self.told.add("closed")


def phrases(*cues: str) -> LanePhrases:
    """Clips without sound in two languages."""
    clips = {(cue, language): b"wav" for cue in cues for language in ("cmn", "en")}
    return LanePhrases(SpeakerSite(None, ("cmn", "en")), ClipPack(clips), SpeechStore(Path("/nowhere")))  # type: ignore[arg-type]


class Room:
    """Results with devices that the test holds."""

    def __init__(self, percent: Callable[[], int] = lambda: 70) -> None:
        self.speaker = HeldSpeaker()
        self.lamp = NotedLamp()
        said = phrases("admitted", "already_used", "in_use")
        self.results = LaneResults("north-1", self.speaker, said, self.lamp, percent)

    async def opened(self) -> "Room":
        """The room once its lamp was made dark: one that was killed before may have left it green."""
        await self.lamp.told.until(lambda story: story == ["dark"])
        self.lamp.told.story.clear()
        return self


@pytest_asyncio.fixture
async def room() -> AsyncIterator[Room]:
    room = await Room().opened()
    yield room
    await room.results.close()


async def test_a_result_is_said_in_every_language_in_order(room: Room) -> None:
    room.speaker.end.set()
    room.results.tell(GO)
    await room.speaker.told.until(lambda story: len(story) == 4)
    assert room.speaker.told.story == [
        "began admitted.cmn 70",
        "ended admitted.cmn",
        "began admitted.en 70",
        "ended admitted.en",
    ]


async def test_the_newest_wins_and_nothing_queues(room: Room) -> None:
    room.results.tell(REFUSED)
    await room.speaker.told.until(lambda story: len(story) == 1)
    for _ in range(1_000):
        room.results.tell(TellGuest("in_use", "refused"))
    room.results.tell(GO)
    await room.speaker.told.until(lambda story: len(story) == 3)
    assert room.speaker.told.story == ["began already_used.cmn 70", "cut already_used.cmn", "began admitted.cmn 70"]


async def test_a_lamp_that_goes_out_cuts_nobody_off(room: Room) -> None:
    room.results.tell(GO)
    await room.speaker.told.until(lambda story: len(story) == 1)
    room.results.tell(NOBODY)
    await room.lamp.told.until(lambda story: story[-1:] == ["dark"])
    room.speaker.end.set()
    await room.speaker.told.until(lambda story: "ended admitted.en" in story)


async def test_a_broken_speaker_is_tried_again_with_the_next_guest(room: Room) -> None:
    room.speaker.end.set()
    room.speaker.error = Unavailable("The speaker", "no card")
    room.results.tell(GO)
    await room.speaker.told.until(lambda story: story == ["failed admitted.cmn"])
    room.speaker.error = RuntimeError("nobody foresaw this")
    room.results.tell(REFUSED)
    await room.speaker.told.until(lambda story: len(story) == 2)
    room.speaker.error = None
    room.results.tell(GO)
    await room.speaker.told.until(lambda story: "ended admitted.en" in story)


async def test_a_phrase_that_is_not_there_is_silence(room: Room) -> None:
    room.results.tell(TellGuest("blocked", "refused"))
    room.speaker.end.set()
    room.results.tell(GO)
    await room.speaker.told.until(lambda story: "ended admitted.en" in story)
    assert not [line for line in room.speaker.told.story if "blocked" in line]


async def test_the_lamp_blinks_twice_for_a_refusal_and_slowly_for_staff(room: Room) -> None:
    room.results.tell(REFUSED)
    await room.lamp.told.until(lambda story: len(story) == 5)
    assert room.lamp.told.story == ["red", "dark", "red", "dark", "red"]
    room.lamp.told.story.clear()
    room.results.tell(TellGuest("admitted", "go_look"))
    await room.lamp.told.until(lambda story: len(story) >= 4)
    assert room.lamp.told.story[:4] == ["amber+green", "green", "amber+green", "green"]
    room.results.tell(NOBODY)
    await room.lamp.told.until(lambda story: story[-1] == "dark")


async def test_a_lamp_that_is_away_comes_back_with_the_next_result(room: Room) -> None:
    room.lamp.away = True
    room.results.tell(GO)
    await room.lamp.told.until(lambda story: story == ["away"])
    room.lamp.away = False
    room.results.tell(GO)
    await room.lamp.told.until(lambda story: story[-1] == "green")
    # And the speaker has known nothing of it.
    assert room.speaker.told.story[0] == "began admitted.cmn 70"


async def test_closing_leaves_the_lamp_dark_and_the_devices_free() -> None:
    room = await Room().opened()
    room.results.tell(GO)
    await room.lamp.told.until(lambda story: story == ["green"])
    await room.results.close()
    assert room.lamp.told.story == ["green", "dark", "closed"]
    assert room.speaker.told.story[-1] == "closed"


async def test_at_no_loudness_nothing_is_played() -> None:
    percent = 0
    room = await Room(lambda: percent).opened()
    room.speaker.end.set()
    room.results.tell(REFUSED)
    await room.lamp.told.until(lambda story: len(story) == 5)
    percent = 40
    room.results.tell(GO)
    await room.speaker.told.until(lambda story: "ended admitted.en" in story)
    assert room.speaker.told.story[0] == "began admitted.cmn 40"
    await room.results.close()


# ---- made from the site file


def lane_of(site: Site, **changes: object) -> LaneSite:
    return msgspec.structs.replace(site.lanes()[0][1], **changes)


async def test_a_lane_without_either_has_no_tasks(demo_site: Site) -> None:
    clock = ManualClock(datetime(2026, 12, 12, tzinfo=UTC))
    lane = lane_of(demo_site, speaker=SpeakerSite(), lamp=None)
    results = lane_results(demo_site, lane, Path("/nowhere"), BusRegistry(), clock)
    assert isinstance(results, NoResults)
    results.tell(GO)


@pytest.mark.parametrize(
    "changes",
    [
        {"speaker": SpeakerSite("file:///played.jsonl", clips="/nowhere")},
        {"speaker": SpeakerSite("pulse://x")},
        {"lamp": LampSite("gpio://4", 1, 0, 1, 2)},
    ],
)
async def test_what_cannot_be_opened_costs_the_sound_and_not_the_lane(demo_site: Site, changes: dict[str, object]) -> None:
    clock = ManualClock(datetime(2026, 12, 12, tzinfo=UTC))
    results = lane_results(demo_site, lane_of(demo_site, **changes), Path("/nowhere"), BusRegistry(), clock)
    assert isinstance(results, NoResults)


# ---- a whole lane


class HeardStand(Stand):
    """A lane as in life, with a speaker that notes what is heard."""

    def __init__(self, results: LaneResults | NoResults) -> None:
        self.results = results
        super().__init__()

    def build(self) -> None:
        super().build()
        self.lane = LaneRuntime(
            self.lane.settings,
            "open",
            KEYS,
            self.ledger,
            self.turnstile,
            self.held,
            self.clock,
            RandomIds(),
            self.fatal.append,
            self.results,
        )


async def test_a_refused_and_an_admitted_guest_are_heard(tmp_path: Path, demo_site: Site) -> None:
    phrases_folder, played = tmp_path / "phrases", tmp_path / "played.jsonl"
    maker = SpeechMaker()
    await SpeechStore(phrases_folder).make(["cmn", "yue"], maker)
    await maker.close()
    clock = ManualClock(datetime(2026, 12, 12, 13, 45, tzinfo=UTC))  # 21:45 at the site
    site = msgspec.structs.replace(demo_site, loudness=[LoudnessSite(time(21, 30), time(7), 30)])
    lane = lane_of(site, speaker=SpeakerSite(f"file://{played}", ("yue", "cmn")))
    results = lane_results(site, lane, phrases_folder, BusRegistry(), clock)
    stand = HeardStand(results)
    signals = stand.steel.subscribe()
    stand.steel.open_window_ms = 60_000
    await stand.lane.start()

    stand.held.hold_up("no ticket at all")
    await stand.ledger.until(has(ScanRefused))
    await heard(played, 2)
    stand.held.hold_up()
    async with asyncio.timeout(PATIENCE_S):
        while await signals.get() != "unlocked":
            pass
    await heard(played, 4)
    assert stand.steel.push_in()
    await stand.ledger.until(has(PassageConfirmed))
    # The same ticket again: it has been used.
    stand.held.hold_up()
    await stand.ledger.until(has(ScanRefused, 2))
    notes = await heard(played, 6)

    refused = [event.reason for event in stand.ledger.journal if isinstance(event, ScanRefused)]
    assert refused == [Reason.MALFORMED_CODE, Reason.ALREADY_USED]
    cues = ["malformed_code", "admitted", "already_used"]
    assert [note.clip for note in notes] == [f"{cue}.{language}" for cue in cues for language in ("yue", "cmn")]
    assert {note.percent for note in notes} == {30}
    await stand.lane.stop(0.2)
    await results.close()
    assert stand.fatal == []


async def test_guests_who_cannot_hear_see_it_on_a_relay_board(demo_site: Site) -> None:
    board = RelayBoard()
    await board.start()
    lamp = LampSite(f"tcp://127.0.0.1:{board.port}", 1, red=0, green=1, amber=2)
    lane = lane_of(demo_site, speaker=SpeakerSite(), lamp=lamp)
    results = lane_results(demo_site, lane, Path("/nowhere"), BusRegistry(), ManualClock(datetime(2026, 12, 12, tzinfo=UTC)))
    stand = HeardStand(results)
    signals = stand.steel.subscribe()
    stand.steel.open_window_ms = 60_000
    await stand.lane.start()
    stand.held.hold_up("no ticket at all")
    await board.until(lambda: [value for _, coil, value in board.writes if coil == 0][-5:] == [True, False, True, False, True])
    stand.held.hold_up()
    await board.until(lambda: board.coils == {0: False, 1: True, 2: False})
    async with asyncio.timeout(PATIENCE_S):
        while await signals.get() != "unlocked":
            pass
    assert stand.steel.push_in()
    await board.until(lambda: board.coils == {0: False, 1: False, 2: False})
    await stand.lane.stop(0.2)
    await results.close()
    await board.stop()
    assert stand.fatal == []


async def heard(path: Path, count: int) -> list[Played]:
    """The notes, once there are so many; another task writes them."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            notes = await asyncio.to_thread(noted, path)
            if len(notes) >= count:
                return notes
            await asyncio.sleep(0.005)


def noted(path: Path) -> list[Played]:
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Played) for line in lines]
