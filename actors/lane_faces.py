"""The faces of one lane: its camera's frames, the pool that reads them, and the pictures that staff may look at.

1:1 is asked by the machine (`CompareFace`) and answered within `compare_ms`, whatever the pool does: the queue never stands.
1:N looks by itself, only while something stands there and the lane is free; a code that is read wins. Pictures stay in memory,
for seconds. Loads no model and decodes nothing. The rules are in `resort/access/lane_face.py`.

Frames of the next question are sent ahead as they are taken, so that the question waits for its last frame only.

Back-pressure: one question at a time for each lane, and two frames ahead of it; an unknown face, an away pool and an empty
scene are asked about ever less often (`FIRST_WAIT_MS` to `LONGEST_WAIT_MS`).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from resort.access.lane_messages import CompareFace, FaceAnswer, FaceAway, FaceCompared, FaceRecognised, OpenLook
from resort.clock import Clock, Moment
from resort.errors import Busy, FacesUnavailable, Invalid
from resort.face_rules import FaceDecision, FaceReason, FaceVerdict
from resort.faces import FacePool
from resort.ids import GateId, ScanId
from resort.ports import CameraFrame, Framed, Sighting
from resort.site import FaceUse

COMPARED_FRAMES = 3
COMPARED_AGE_MS = 1_500.0  # an older frame may show the guest before
APART_MS = 60.0  # frames of one question are at least that far apart: each of a camera with 15 a second is one
AHEAD_MS = 200.0  # frames are read ahead of a question that may be asked so soon,
AHEAD_MOST = 2  # so many at a time
IDENTIFY_AGE_MS = 900.0  # from a question's newest frame to its answer; the machine drops what is older than a second
IDENTIFY_S = 0.9
LATE_MOST = 2  # late answers in a row after which hard codes get their time again: until then more work would only add to it
FIRST_WAIT_MS, LONGEST_WAIT_MS = 300.0, 2_400.0
KNOWN_AGAIN_MS = 10_000.0  # who stays is told again so late: longer than an arm stays open, so it is a second try
CODE_WINS_MS = 2_000.0  # no face is asked about for so long after a code was read
LOOKS_KEPT = 4


class LaneFaceWork(Protocol):
    """What a lane's runtime asks."""

    async def compare(self, command: CompareFace) -> FaceAnswer:
        """1:1; never raises, never takes long."""
        ...

    def open_look(self, command: OpenLook) -> None:
        """Keep the picture of whoever stands there."""
        ...

    def heeds(self, sighting: Sighting) -> bool:
        """Whether the lane should take what its reader saw."""
        ...


class NoFaces:
    """A lane that looks at no face."""

    async def compare(self, command: CompareFace) -> FaceAnswer:
        """Nobody is enrolled here."""
        return FaceCompared(None)

    def open_look(self, command: OpenLook) -> None:
        """There is no picture."""

    def heeds(self, sighting: Sighting) -> bool:
        """Everything."""
        return True


class FaceLimits(msgspec.Struct, frozen=True):
    """What the site says of faces at a lane."""

    use: FaceUse
    gate_id: GateId
    compare_ms: int = 400
    frames: int = 3  # of one question of 1:N


class LaneFaces:
    """The face work of one lane. `watch` runs for ever beside the lane's tasks; `close` forgets every picture."""

    def __init__(self, limits: FaceLimits, camera: Framed, pool: FacePool, clock: Clock) -> None:
        self.questions = 0  # of 1:N
        self._limits = limits
        self._camera = camera
        self._pool = pool
        self._clock = clock
        self._codes = 0
        self._code_at: Moment | None = None
        self._code_frame: Moment | None = None  # of the frame in which it was read first: whoever holds it up is there since
        self._collected: list[CameraFrame] = []
        self._not_before: Moment | None = None
        self._wait_ms = FIRST_WAIT_MS
        self._late = 0  # answers in a row that did not come in time
        self._known: dict[str, Moment] = {}  # whom the lane was told of, and when
        self._compared: CameraFrame | None = None
        self._ahead: set[asyncio.Task[None]] = set()  # frames that are being read before their question
        self._looks: dict[ScanId, bytes] = {}
        self._ends: dict[ScanId, asyncio.TimerHandle] = {}
        camera.watch_scene()

    # ---- 1:1

    async def compare(self, command: CompareFace) -> FaceAnswer:
        """Compare the newest frames with the ticket's holder."""
        newest = self._fresh(1, COMPARED_AGE_MS)
        self._compared = newest[0] if newest else None
        if not newest:
            return FaceAway("the camera shows nothing")
        answer: FaceAnswer = FaceAway("the inference actors take too long")
        try:
            async with asyncio.timeout(self._limits.compare_ms / 1000):
                first = await self._asked(command, newest)
                answer = FaceCompared(first)
                if first is not None and first.verdict is not FaceVerdict.PASS and first.reason is not FaceReason.SECOND_FACE:
                    # One frame may be blurred, or the face behind the phone: a few together decide.
                    frames = await self._several()
                    answer = FaceCompared(await self._asked(command, frames))
                    self._compared = frames[-1]
        except TimeoutError:
            return answer
        except (Busy, FacesUnavailable, Invalid) as error:
            return answer if isinstance(answer, FaceCompared) else FaceAway(str(error))
        return answer

    async def _several(self) -> list[CameraFrame]:
        """The newest frames of this guest, as soon as there are two. Older ones may show the guest before, who would lend his
        face to whoever follows close behind with his ticket."""
        news = 0
        while True:
            frames = self._fresh(COMPARED_FRAMES, COMPARED_AGE_MS)
            own = [frame for frame in frames if self._code_frame is None or frame.at.ms_since(self._code_frame) >= 0]
            if len(own) > 1:
                return own
            news = await self._camera.news(news)  # the comparison's own time limit ends it

    async def _asked(self, command: CompareFace, frames: Sequence[CameraFrame]) -> FaceDecision | None:
        return await self._pool.compare(command.ticket_id, [frame.jpeg for frame in frames])

    # ---- staff

    def open_look(self, command: OpenLook) -> None:
        """Keep the frame that was compared, for as long as the machine keeps the look."""
        frame = self._compared
        if frame is None:
            return
        while len(self._looks) >= LOOKS_KEPT:
            self._forget(next(iter(self._looks)))
        self._looks[command.scan_id] = frame.jpeg
        loop = asyncio.get_running_loop()
        self._ends[command.scan_id] = loop.call_later(command.look_s, self._forget, command.scan_id)

    def picture(self, scan_id: ScanId) -> bytes | None:
        """The frame of an open look; None when it is over, or the camera showed nothing."""
        return self._looks.get(scan_id)

    def close_look(self, scan_id: ScanId) -> None:
        """Staff have decided. Idempotent."""
        self._forget(scan_id)

    def close(self) -> None:
        """Forget every picture."""
        for scan_id in list(self._looks):
            self._forget(scan_id)
        self._compared, self._collected = None, []
        for reading in self._ahead:
            reading.cancel()

    def _forget(self, scan_id: ScanId) -> None:
        self._looks.pop(scan_id, None)
        timer = self._ends.pop(scan_id, None)
        if timer is not None:
            timer.cancel()

    # ---- 1:N

    def heeds(self, sighting: Sighting) -> bool:
        """A code wins: a question under way is of no interest any more. Where a face alone may let in, something that the code
        reader cannot read is most likely that face, and nobody is told to hold it still."""
        if sighting.text is None:
            return self._limits.use != "identify"
        self._codes += 1
        self._code_at, self._code_frame = self._clock.now(), sighting.frame_at
        self._collected = []
        return True

    async def watch(self, free: Callable[[], bool], tell: Callable[[FaceRecognised], object]) -> None:
        """Look for faces for ever. `free`: the lane could take a guest now; `tell`: somebody was recognised."""
        news = 0
        while self._limits.use == "identify":
            news = await self._camera.news(news)
            await self.look(free, tell)

    async def look(self, free: Callable[[], bool], tell: Callable[[FaceRecognised], object]) -> None:
        """Once: take a frame, and ask when there are enough."""
        now = self._clock.now()
        code_at = self._code_at
        if not self._camera.stirred or not free():  # who stands there when the lane is free again is the next guest
            self._collected, self._wait_ms, self._not_before, self._late = [], FIRST_WAIT_MS, None, 0
            self._camera.face_is_read(under_way=True)
            return
        if code_at is not None and now.ms_since(code_at) < CODE_WINS_MS:
            self._collected = []
            return
        frames = self._fresh(1, IDENTIFY_AGE_MS)
        if not frames or (self._collected and frames[0].at.ms_since(self._collected[-1].at) < APART_MS):
            return
        recent = [frame for frame in self._collected if now.ms_since(frame.at) <= COMPARED_AGE_MS]
        self._collected = [*recent, frames[0]][-self._limits.frames :]
        wait_ms = 0.0 if self._not_before is None else -now.ms_since(self._not_before)
        if len(self._collected) < self._limits.frames or wait_ms > 0:
            self._read_ahead(frames[0], wait_ms)
            return
        codes = self._codes
        decision = await self._identified(self._collected)
        if decision is None:
            self._hold_off()
            return
        self._take(decision, self._collected, still=free() and codes == self._codes, tell=tell)

    def _read_ahead(self, frame: CameraFrame, wait_ms: float) -> None:
        """Have a frame read that will be one of the next question, unless enough are being read now."""
        if wait_ms > AHEAD_MS or len(self._ahead) >= AHEAD_MOST:
            return
        reading = asyncio.create_task(self._pool.read_ahead(frame.jpeg), name="a face read ahead")
        self._ahead.add(reading)
        reading.add_done_callback(self._ahead.discard)

    async def _identified(self, frames: Sequence[CameraFrame]) -> FaceDecision | None:
        self.questions += 1
        try:
            async with asyncio.timeout(IDENTIFY_S):
                decision = await self._pool.identify(self._limits.gate_id, [frame.jpeg for frame in frames])
        except TimeoutError:
            self._late += 1
            return None  # codes go on
        except (Busy, FacesUnavailable, Invalid):
            decision = None
        self._late = 0
        return decision

    def _take(
        self,
        decision: FaceDecision,
        frames: Sequence[CameraFrame],
        *,
        still: bool,
        tell: Callable[[FaceRecognised], object],
    ) -> None:
        now = self._clock.now()
        if decision.reason is FaceReason.NO_FACE:
            self._camera.settle()
        if decision.verdict is not FaceVerdict.PASS or decision.holder is None:
            self._hold_off()
            return
        if not still or now.ms_since(frames[-1].at) > IDENTIFY_AGE_MS:
            return
        self._wait_ms = LONGEST_WAIT_MS
        self._hold_off()
        self._known = {holder: told for holder, told in self._known.items() if now.ms_since(told) < KNOWN_AGAIN_MS}
        if decision.holder in self._known:
            return
        self._known[decision.holder] = now
        tell(FaceRecognised(decision, frames[-1].at, now))

    def _hold_off(self) -> None:
        self._camera.face_is_read(under_way=0 < self._late <= LATE_MOST)  # else what stands there may be a code
        self._not_before = self._clock.now().after_ms(self._wait_ms)
        self._wait_ms = min(2 * self._wait_ms, LONGEST_WAIT_MS)

    def _fresh(self, most: int, age_ms: float) -> list[CameraFrame]:
        now = self._clock.now()
        return [frame for frame in self._camera.frames(most) if now.ms_since(frame.at) <= age_ms]
