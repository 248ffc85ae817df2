"""What is stored of a face, sealed: AES-256-GCM (NIST SP 800-38D), with associated data that names the box's place.

A box opens under its own key and in its own row and column only, so that neither can be put in another's place by whoever can
write the database. Knows no table and no key file. Nothing here logs, and no error shows what is inside.
"""

import secrets
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from resort.errors import Invalid

BoxColumn = Literal["template", "picture"]

FORMAT = b"\x01"
# Random nonces of 96 bits: safe for 2**32 boxes under one key (SP 800-38D, section 8.3), far more than a resort enrols.
NONCE_BYTES = 12
TAG_BYTES = 16


def seal(key: bytes, content: bytes, key_id: int, ticket_id: str, model_id: str, column: BoxColumn) -> bytes:
    """`content` in a box: format, nonce, ciphertext, tag. The same content gives another box each time."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(key).encrypt(nonce, content, _place(key_id, ticket_id, model_id, column))


def unseal(key: bytes, box: bytes, key_id: int, ticket_id: str, model_id: str, column: BoxColumn) -> bytes:
    """What is in the box. Raises Invalid when it was altered, belongs to another row or column, or has another key."""
    if len(box) < len(FORMAT) + NONCE_BYTES + TAG_BYTES or not box.startswith(FORMAT):
        raise Invalid("stored face", f"the {column} of ticket {ticket_id} is not a box")
    nonce, sealed = box[1 : 1 + NONCE_BYTES], box[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, sealed, _place(key_id, ticket_id, model_id, column))
    except InvalidTag:
        raise Invalid("stored face", f"the {column} of ticket {ticket_id} does not open with key {key_id} here") from None


def _place(key_id: int, ticket_id: str, model_id: str, column: BoxColumn) -> bytes:
    """Each part with its length before it, so that no two places have the same bytes."""
    parts = [b"snowgate face", str(key_id).encode(), ticket_id.encode(), model_id.encode(), column.encode()]
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)
