"""A small picture of one face, for staff who compare it with the person before them. Personal data: never in a log or event."""

import io

from PIL import Image

from ml_models.face_detector import Face
from ml_models.pictures import Picture

AROUND = 1.6  # of the face's box: with hair and chin
SIDE_PX = 240  # at most
QUALITY = 85


def portrait(picture: Picture, face: Face) -> bytes:
    """A JPEG of the face and a little around it, at most 240 pixels wide and high; about 10 KB."""
    height, width = picture.shape[:2]
    half = max(face.width, face.height) * AROUND / 2
    across, down = face.centre
    left, right = max(0, round(across - half)), min(width, round(across + half))
    top, bottom = max(0, round(down - half)), min(height, round(down + half))
    image = Image.fromarray(picture[top:bottom, left:right])
    image.thumbnail((SIDE_PX, SIDE_PX))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=QUALITY)  # a fresh file: nothing of the camera's notes goes along
    return content.getvalue()
