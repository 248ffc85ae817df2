"""A folder of pictures as a camera, for replays and tests: `folder:///srv/replay?fps=6`.

Pictures (JPEG, PNG, WebP) are shown in the order of their names, and from the first again after the last. The folder is listed
anew each time, so files may be added while it runs.
"""

import asyncio
from pathlib import Path

from devices.camera_frames import CameraFrame, FrameCamera, local_address
from resort.clock import Clock

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
MAX_FILE_BYTES = 32 * 2**20
_DEFAULTS = {"fps": 6.0, "repeat": 1.0}


class FolderCamera(FrameCamera):
    """`fps` pictures a second; 0: each one as soon as the one before was fetched, so that none is missed.

    `repeat=0`: after the last picture nothing comes any more. Raises InvalidConfig for what is no such address.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        path, numbers = local_address(url, "folder:///srv/replay?fps=6", _DEFAULTS)
        super().__init__(path, clock)
        self._folder = Path(path)
        self._pause_s = 1.0 / numbers["fps"] if numbers["fps"] else None
        self._repeat = bool(numbers["repeat"])

    async def _receive(self) -> str:
        while True:
            pictures = await asyncio.to_thread(self._pictures)
            if not pictures:
                return f"there are no pictures in {self._folder}"
            for path in pictures:
                self._keep(CameraFrame(await asyncio.to_thread(_content, path), self._clock.now()))
                if self._pause_s is None:
                    await self._fetched.wait()
                else:
                    await asyncio.sleep(self._pause_s)
            if not self._repeat:
                await asyncio.Event().wait()  # until closed

    def _pictures(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def _content(path: Path) -> bytes:
    """The file; of a giant its beginning only, which is no picture. A folder is not to fill the memory."""
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES)
