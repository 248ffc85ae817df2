"""Photographs read in this very process, by the real models: for the terminal, where no inference actor need run."""

from functools import partial
from typing import Self

from actors.face_desk import FaceDesk
from actors.work_thread import WorkThread
from ml_models.face_reader import FaceReader
from resort.clock import Clock
from resort.faces import FaceMeasured


class LocalReader:
    """`measure` as the inference pool does it; loads 45 MB of models. Use `open`, then `close`."""

    def __init__(self, desk: FaceDesk, thread: WorkThread) -> None:
        self._desk = desk
        self._thread = thread

    @classmethod
    async def open(cls, clock: Clock) -> Self:
        """Load the models. Raises PartMissing."""
        thread = WorkThread("face reading")
        try:
            reader = await thread.run(partial(FaceReader, liveness=False))
        except BaseException:
            await thread.close()
            raise
        return cls(FaceDesk(reader, thread, clock), thread)

    async def measure(self, picture: bytes) -> FaceMeasured:
        """See `resort.faces.FacePool`. Raises Busy, Invalid."""
        return await self._desk.photograph(picture)

    async def close(self) -> None:
        """End the thread; idempotent."""
        await self._thread.close()
