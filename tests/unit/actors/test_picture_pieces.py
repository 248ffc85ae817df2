"""Pictures in pieces: whole again on the other side, and never large enough to be stored on the way."""

import pytest

from actors.picture_pieces import MOST_BYTES, PIECE, cut, joined
from resort.errors import Invalid

RAY_STORES_FROM = 100 * 1024


@pytest.mark.parametrize("sizes", [[], [0], [1], [PIECE], [PIECE + 1], [3 * PIECE, 0, 5, 2 * PIECE - 1]])
def test_what_is_cut_is_whole_again(sizes: list[int]) -> None:
    contents = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    counts, pieces = cut(contents)
    assert joined(counts, pieces) == contents
    assert all(len(piece) < RAY_STORES_FROM for piece in pieces)


def test_what_is_too_large_is_refused() -> None:
    assert cut([bytes(MOST_BYTES)])[0] == [-(-MOST_BYTES // PIECE)]
    with pytest.raises(Invalid, match="larger than 8 MiB"):
        cut([bytes(MOST_BYTES), b"x"])
