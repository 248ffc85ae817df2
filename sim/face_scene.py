"""A guest whose face the lane's camera sees: a photograph held still before it, alone or beside a code.

It is a photograph, so what it shows of presentation attacks is nothing. Draws one frame, with a hand's tremor from number to
number; it knows nothing of time or of how frames travel (`sim/camera_server.py`).
"""

import io
import random

import segno
from PIL import Image

FACE_PX = 400  # edge of the square that the photograph is scaled into
CODE_PX = 200
TREMOR_PX = 3
GROUND = (96, 100, 104)
JPEG_QUALITY = 85


class FaceScene:
    """One photograph (JPEG or PNG), with the text of a code beside it or none."""

    def __init__(self, photograph: bytes, text: str | None = None, size: tuple[int, int] = (640, 480)) -> None:
        self.text = text
        with Image.open(io.BytesIO(photograph)) as opened:
            self._face = opened.convert("RGB")
        self._face.thumbnail((FACE_PX, FACE_PX))
        self._code = None if text is None else _drawn(text)
        self._size = size

    def frame(self, number: int) -> bytes:
        """The JPEG of frame `number`."""
        draw = random.Random(number)
        shift = draw.randint(0, TREMOR_PX), draw.randint(0, TREMOR_PX)
        canvas = Image.new("RGB", self._size, GROUND)
        canvas.paste(self._face, (8 + shift[0], 40 + shift[1]))
        if self._code is not None:
            canvas.paste(self._code, (self._size[0] - CODE_PX - 8 - shift[0], 140 + shift[1]))
        content = io.BytesIO()
        canvas.save(content, "JPEG", quality=JPEG_QUALITY)
        return content.getvalue()


def _drawn(text: str) -> Image.Image:
    content = io.BytesIO()
    segno.make(text, error="m", micro=False).save(content, kind="png", scale=6, border=4)
    with Image.open(content) as drawn:
        return drawn.convert("RGB").resize((CODE_PX, CODE_PX), Image.Resampling.LANCZOS)
