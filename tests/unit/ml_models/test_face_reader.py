"""A picture read as a whole, with the real models; and that a reading shows neither vector nor picture in its text."""

import msgspec
import numpy as np
import pytest
from PIL import Image

from benchmarks.face import lane_frame
from ml_models.face_embedder import cosine
from ml_models.face_gallery import Gallery
from ml_models.face_reader import FaceReader
from ml_models.pictures import Picture
from resort.errors import Invalid
from resort.face_quality import ENROLMENT, PASSAGE, FaceFault
from resort.face_rules import FaceReason, FaceVerdict, OneToOne


@pytest.fixture(scope="module")
def reader() -> FaceReader:
    """The real one, with liveness."""
    return FaceReader(liveness=True)


def test_somebody_enrolled_by_one_photograph_is_known_by_another(reader: FaceReader, photographs: dict[str, Picture]) -> None:
    enrolled, stranger = reader.read(photographs["one_1"]), reader.read(photographs["two"])
    gallery = Gallery(reader.model_id)
    assert enrolled.vector is not None
    assert stranger.vector is not None
    gallery.add("ticket-1", [enrolled.vector], enrolled.model_id)
    for name in ("one_2", "one_3", "one_4", "one_5"):
        reading = reader.read(photographs[name])
        assert reading.vector is not None
        score = gallery.likeness("ticket-1", reading.vector)
        assert score is not None
        assert OneToOne().decide(score, reading.measures.faces).verdict is FaceVerdict.PASS
    assert OneToOne().decide(cosine(enrolled.vector, stranger.vector)).verdict is FaceVerdict.REFUSE


def test_walking_up_to_a_lane(reader: FaceReader, photographs: dict[str, Picture]) -> None:
    gallery = Gallery(reader.model_id)
    for name in ("one_1", "two"):
        vector = reader.read(photographs[name]).vector
        assert vector is not None
        gallery.add(name, [vector], reader.model_id)
    frames = [reader.read_at_lane(lane_frame(photographs[name])) for name in ("one_2", "one_3", "one_4")]
    vectors = [frame.vector for frame in frames if frame.vector is not None]
    decision = gallery.identify(vectors, max(frame.measures.faces for frame in frames))
    assert (decision.verdict, decision.holder) == (FaceVerdict.PASS, "one_1")
    strangers = [reader.read_at_lane(lane_frame(photographs["three"])).vector] * 3
    assert gallery.identify([vector for vector in strangers if vector is not None]).reason is FaceReason.UNKNOWN


def test_a_second_face_is_told_and_never_admits(reader: FaceReader, photographs: dict[str, Picture]) -> None:
    reading = reader.read(photographs["six"])
    assert reading.measures.faces == 6
    assert FaceFault.SEVERAL in reading.faults(ENROLMENT)
    assert OneToOne().decide(0.99, reading.measures.faces).verdict is not FaceVerdict.PASS


def test_nobody_is_a_reading_without_vector(reader: FaceReader) -> None:
    reading = reader.read(np.full((200, 300, 3), 99, np.uint8))
    assert (reading.face, reading.vector, reading.liveness) == (None, None, None)
    assert reading.faults(PASSAGE) == [FaceFault.NONE_FOUND]


def test_what_is_no_picture_is_refused(reader: FaceReader) -> None:
    with pytest.raises(Invalid):
        reader.read(np.zeros((4, 4, 3), np.uint8))


def test_neither_text_nor_decision_holds_a_vector(reader: FaceReader, photographs: dict[str, Picture]) -> None:
    reading = reader.read(photographs["three"])
    assert reading.vector is not None
    assert "array" not in repr(reading)
    assert f"{reading.vector[0]:.4f}" not in repr(reading)
    assert reading.liveness is not None
    gallery = Gallery(reader.model_id)
    gallery.add("h", [reading.vector], reader.model_id)
    decision = msgspec.json.encode(gallery.identify([reading.vector] * 3))
    assert len(decision) < 300
    assert msgspec.json.decode(decision)["verdict"] == "pass"


@pytest.mark.parametrize(("margin", "side"), [(1.0, 112), (1.0, 160), (1.25, 160)])
def test_tight_crops_of_public_sets_are_read(
    reader: FaceReader, photographs: dict[str, Picture], margin: float, side: int
) -> None:
    for name in ("one_1", "two", "three"):
        whole = reader.read(photographs[name])
        assert whole.face is not None
        assert whole.vector is not None
        reach = max(whole.face.width, whole.face.height) * margin / 2
        x, y = whole.face.centre
        box = (round(x - reach), round(y - reach), round(x + reach), round(y + reach))
        cut = np.asarray(Image.fromarray(photographs[name]).crop(box).resize((side, side), Image.Resampling.BICUBIC))
        vector = reader.read(cut).vector
        assert vector is not None
        assert cosine(whole.vector, vector) > 0.85
