"""A folder of pictures as a camera: order, repetition, files that come and go, and addresses that are none."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
import segno
from PIL import Image

from devices.code_source import code_source
from devices.folder_camera import FolderCamera
from resort.clock import Moment, SystemClock
from resort.errors import InvalidConfig
from resort.ports import Seeing
from resort.site import CameraSite, LaneLimits

WAIT_S = 30


class CountingClock(SystemClock):
    """Tells when it was asked so many times: once for each picture."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self._times = times

    def now(self) -> Moment:
        self._times -= 1
        if self._times == 0:
            self.asked.set()
        return super().now()


def picture(text: str, kind: str = "PNG") -> bytes:
    code = np.pad(np.array([list(row) for row in segno.make_qr(text).matrix], dtype=np.uint8), 4)
    grey = np.where(code == 1, 20, 235).astype(np.uint8).repeat(5, axis=0).repeat(5, axis=1)
    out = io.BytesIO()
    Image.fromarray(grey).save(out, kind)
    return out.getvalue()


async def shown(camera: FolderCamera, count: int) -> list[bytes]:
    frames = []
    async with asyncio.timeout(WAIT_S):
        for _ in range(count):
            frame = await camera.next_frame()
            assert frame is not None
            frames.append(frame.jpeg)
    return frames


async def test_pictures_come_by_name_and_again_from_the_first(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.JPEG", "c.png", "notes.txt", "d.webp"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "folder.png").mkdir()
    camera = FolderCamera(f"folder://{tmp_path}?fps=0", SystemClock())
    camera.start()
    try:
        assert await shown(camera, 6) == [b"a.JPEG", b"b.jpg", b"c.png", b"d.webp", b"a.JPEG", b"b.jpg"]
        assert camera.dropped == 0
        assert camera.connected
    finally:
        await camera.close()
    assert await camera.next_frame() is None


async def test_newest_wins_at_a_rate_of_its_own(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(b"%d" % number)
    clock = CountingClock(5)
    camera = FolderCamera(f"folder://{tmp_path}?fps=500&repeat=0", clock)
    camera.start()
    try:
        async with asyncio.timeout(WAIT_S):
            await clock.asked.wait()
        assert await shown(camera, 1) == [b"4"]
        assert camera.dropped == 4
    finally:
        await camera.close()


async def test_an_empty_folder_is_a_camera_that_is_away_until_pictures_come(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    camera = FolderCamera(f"folder://{folder}?fps=0", SystemClock())
    camera.start()
    try:
        await asyncio.sleep(0)
        assert not camera.connected
        folder.mkdir()
        (folder / "one.jpg").write_bytes(b"one")
        assert await shown(camera, 2) == [b"one", b"one"]
    finally:
        await camera.close()


async def test_codes_are_read_from_a_folder_by_its_address(tmp_path: Path) -> None:
    for name, text, kind in (("1.png", "FIRST", "PNG"), ("2.jpg", "SECOND", "JPEG"), ("3.webp", "THIRD", "WEBP")):
        (tmp_path / name).write_bytes(picture(text, kind))
    (tmp_path / "0.jpg").write_bytes(b"no picture at all")
    source = code_source(CameraSite(f"folder://{tmp_path}?fps=0"), LaneLimits(), SystemClock())
    assert isinstance(source, Seeing)
    texts: list[str | None] = []
    try:
        async with asyncio.timeout(WAIT_S):
            async for sighting in source.sightings():
                texts.append(sighting.text)
                if len(texts) == 3:
                    break
    finally:
        await source.close()
    assert texts == ["FIRST", "SECOND", "THIRD"]


@pytest.mark.parametrize(
    "url",
    ["folder://", "folder:photos", "folder://host/photos", "folder:///photos?speed=2", "folder:///photos?fps=fast",
     "folder:///photos?fps=-1", "folder:///photos?fps=nan", "folder:///photos?fps=1e9", "folder://[", "v4l2:video0"],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidConfig, match=r"camera\.url"):
        code_source(CameraSite(url), LaneLimits(), SystemClock())
