"""A box opens with its own key in its own place, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resort.errors import Invalid
from storage.face_box import BoxColumn, seal, unseal

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
CONTENT = b"what is personal"


def test_a_box_opens_in_its_place_and_shows_nothing_outside() -> None:
    box = seal(KEY, CONTENT, 1, "ticket", "model", "template")
    assert unseal(KEY, box, 1, "ticket", "model", "template") == CONTENT
    assert CONTENT not in box
    assert seal(KEY, CONTENT, 1, "ticket", "model", "template") != box


@pytest.mark.parametrize(
    ("key", "key_id", "ticket", "model", "column"),
    [
        (OTHER_KEY, 1, "ticket", "model", "template"),
        (KEY, 2, "ticket", "model", "template"),
        (KEY, 1, "another", "model", "template"),
        (KEY, 1, "ticket", "other", "template"),
        (KEY, 1, "ticket", "model", "picture"),
        (KEY, 1, "ticketm", "odel", "template"),
    ],
)
def test_a_box_in_another_place_does_not_open(key: bytes, key_id: int, ticket: str, model: str, column: BoxColumn) -> None:
    box = seal(KEY, CONTENT, 1, "ticket", "model", "template")
    with pytest.raises(Invalid) as caught:
        unseal(key, box, key_id, ticket, model, column)
    assert "personal" not in str(caught.value)


@given(content=st.binary(max_size=300), data=st.data())
def test_no_altered_box_opens(content: bytes, data: st.DataObject) -> None:
    box = seal(KEY, content, 1, "ticket", "model", "picture")
    place = data.draw(st.integers(0, len(box) - 1))
    flip = data.draw(st.integers(1, 255))
    altered = box[:place] + bytes([box[place] ^ flip]) + box[place + 1 :]
    for wrong in (altered, box[:place]):
        with pytest.raises(Invalid):
            unseal(KEY, wrong, 1, "ticket", "model", "picture")
