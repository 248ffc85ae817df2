"""Reads pictures for their faces, one at a time, with a short line before it: the processor side of an inference actor.

A frame that was read a moment ago is not read again: a lane sends its last few frames with every question, and only the newest
of them is new; it sends each ahead, too. A question waits for such a reading under way, and goes before those that wait. What
is kept for that are vectors, in memory, for seconds.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from actors.face_messages import SeenFrames
from actors.work_thread import WorkThread
from ml_models.face_embedder import Vector, packed
from ml_models.face_reader import FaceReader
from ml_models.pictures import open_picture
from ml_models.portrait import portrait
from resort.clock import NS_PER_MS, Clock
from resort.errors import Busy, Invalid
from resort.face_quality import ENROLMENT, PASSAGE, FaceFault
from resort.faces import FaceMeasured

LINE = 16  # pictures waiting or being read: less than a second of work
MOST_FRAMES = 5
KEPT_MS = 3_000
MOST_KEPT = 64
RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """What one camera frame shows. One face that is too dark, small or blurred to be compared counts as nobody."""

    faces: int
    vector: Vector | None = field(default=None, repr=False)
    liveness: float | None = None  # advisory


def seen_together(model_id: str, frames: Sequence[SeenFrame]) -> SeenFrames:
    """What one person's frames show in all. There is at least one."""
    opinions = [frame.liveness for frame in frames if frame.liveness is not None]
    return SeenFrames(
        model_id,
        tuple(packed(frame.vector) for frame in frames if frame.vector is not None),
        max(frame.faces for frame in frames),
        min(opinions, default=None),
    )


class FaceDesk:
    """One reader behind one line. Raises Busy when the line is full, Invalid for what is no picture."""

    def __init__(self, reader: FaceReader, thread: WorkThread, clock: Clock) -> None:
        self.refused = 0  # questions for which the line was full
        self._reader = reader
        self._thread = thread
        self._clock = clock
        self._waiting = 0
        self._kept: dict[bytes, tuple[int, SeenFrame]] = {}  # by digest, oldest first; with the tick in ns

    @property
    def model_id(self) -> str:
        """Whose vectors these are."""
        return self._reader.model_id

    async def photograph(self, content: bytes) -> FaceMeasured:
        """A photograph for an enrolment."""
        with self._in_line(1):
            return await self._thread.run(partial(self._measured, content))

    async def cut_out(self, content: bytes) -> bytes | None:
        """The one face in a frame with a little around it, as a JPEG; None when there is none, or more than one."""
        with self._in_line(1):
            return await self._thread.run(partial(self._cut_out, content))

    async def frames(self, contents: Sequence[bytes], *, ahead: bool = False) -> list[SeenFrame]:
        """Frames of a lane's camera, in their order. `ahead`: nobody waits for them yet, so whatever somebody waits for comes
        first."""
        if not 1 <= len(contents) <= MOST_FRAMES:
            raise Invalid("frames", f"there must be 1 to {MOST_FRAMES}")
        self._forget_old()
        digests = [hashlib.blake2b(content, digest_size=16).digest() for content in contents]
        seen = {digest: self._kept[digest][1] for digest in digests if digest in self._kept}
        fresh = {digest: content for digest, content in zip(digests, contents, strict=True) if digest not in seen}
        with self._in_line(len(fresh)):
            for digest, content in fresh.items():
                seen[digest] = await self._read_once(digest, content, ahead)
        return [seen[digest] for digest in digests]

    async def _read_once(self, digest: bytes, content: bytes, ahead: bool) -> SeenFrame:
        """Read it, unless somebody has done so by the time of our turn. Who waits reads by himself when the other gave up."""
        async with self._thread.turn(later=ahead):
            if digest not in self._kept:
                seen = await self._thread.within(partial(self._seen, content))
                self._kept[digest] = (self._clock.now().tick_ns, seen)
            return self._kept[digest][1]

    @contextmanager
    def _in_line(self, pictures: int) -> Iterator[None]:
        if pictures and self._waiting + pictures > LINE:
            self.refused += 1
            raise Busy("The reading of faces", RETRY_AFTER_S)
        self._waiting += pictures
        try:
            yield
        finally:
            self._waiting -= pictures

    def _forget_old(self) -> None:
        now_ns = self._clock.now().tick_ns
        for digest, (tick_ns, _) in list(self._kept.items()):
            if now_ns - tick_ns > KEPT_MS * NS_PER_MS or len(self._kept) > MOST_KEPT:
                del self._kept[digest]

    def _seen(self, content: bytes) -> SeenFrame:
        reading = self._reader.read_at_lane(open_picture(content))
        liveness = None if reading.liveness is None else reading.liveness.score
        if set(reading.faults(PASSAGE)) - {FaceFault.SEVERAL}:
            several = reading.measures.faces if reading.measures.faces > 1 else 0
            return SeenFrame(several, None, liveness)
        return SeenFrame(reading.measures.faces, reading.vector, liveness)

    def _cut_out(self, content: bytes) -> bytes | None:
        picture = open_picture(content)
        faces = self._reader.find(picture)
        return portrait(picture, faces[0]) if len(faces) == 1 else None

    def _measured(self, content: bytes) -> FaceMeasured:
        picture = open_picture(content)
        reading = self._reader.read(picture)
        faults = tuple(str(fault) for fault in reading.faults(ENROLMENT))
        liveness = None if reading.liveness is None else reading.liveness.score
        if faults or reading.face is None or reading.vector is None:
            return FaceMeasured(model_id=reading.model_id, faults=faults, liveness=liveness)
        return FaceMeasured(
            model_id=reading.model_id,
            vector=packed(reading.vector),
            picture=portrait(picture, reading.face),
            liveness=liveness,
        )
