"""Pictures cut into pieces that Ray sends inside a call, from process to process.

A larger argument would go through Ray's object store: shared memory, and a file on disk when that is full. Pictures of people
have no business there.
"""

from collections.abc import Sequence
from itertools import islice

from resort.errors import Invalid

PIECE = 96 * 1024  # under the size from which Ray stores an argument (max_direct_call_object_size, 100 KiB)
MOST_BYTES = 8 * 1024 * 1024  # of one call; Ray stores what is beyond 10 MiB (task_rpc_inlined_bytes_limit)


def cut(contents: Sequence[bytes]) -> tuple[list[int], list[bytes]]:
    """How many pieces each content has, and all pieces in order. Raises Invalid when they are too large together."""
    if sum(map(len, contents)) > MOST_BYTES:
        raise Invalid("picture", f"it is larger than {MOST_BYTES // 1024 // 1024} MiB")
    cuts = [[content[start : start + PIECE] for start in range(0, len(content), PIECE)] for content in contents]
    return [len(pieces) for pieces in cuts], [piece for pieces in cuts for piece in pieces]


def joined(sizes: Sequence[int], pieces: Sequence[bytes]) -> list[bytes]:
    """The contents again."""
    rest = iter(pieces)
    return [b"".join(islice(rest, size)) for size in sizes]
