"""Identity documents as media: what a reader says of one, and the blind index that takes its number's place. Pure.

A document's number exists for the moment between the reader and `blind`: it is never kept, sent, logged or shown, and no `repr`
says it. Its blind index is an HMAC under a key of the site, so that the same card is known again at this site and nowhere else,
and nobody without the key can try all numbers (an identity number has few enough for that).
"""

import hmac
import unicodedata
from hashlib import sha256
from typing import Literal, NewType, get_args

import msgspec

from resort.clock import Moment
from resort.errors import Invalid, InvalidConfig

DocumentKind = Literal["resident_id", "residence_permit", "hk_macao_permit", "taiwan_permit", "passport", "other"]
DOCUMENT_KINDS: tuple[DocumentKind, ...] = get_args(DocumentKind)
DocumentIndex = NewType("DocumentIndex", str)  # "doc_" and 32 hex digits
KEY_MIN = 32  # bytes
NUMBER_MIN, NUMBER_MAX = 4, 32  # characters
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # of GB 11643-1999, an identity number's check digit
_CHECKS = "10X98765432"
_INDEX_DIGITS = 32


class DocumentRead(msgspec.Struct, frozen=True):
    """What a reader took off a document. Give it to `blind` at once and keep nothing of it."""

    kind: DocumentKind
    number: str
    birth_year: int | None
    at: Moment

    def __repr__(self) -> str:
        return f"DocumentRead({self.kind})"


class DocumentSeen(msgspec.Struct, frozen=True):
    """A document that was held up, without its number."""

    kind: DocumentKind
    index: DocumentIndex
    birth_year: int | None  # for tickets that depend on age
    at: Moment


def blind(read: DocumentRead, key: bytes) -> DocumentSeen:
    """The document without its number. Raises Invalid on a number that cannot be one; the sentence does not say it. Raises
    InvalidConfig on a key that is too short."""
    return DocumentSeen(read.kind, blind_index(read.kind, read.number, key), read.birth_year, read.at)


def blind_index(kind: DocumentKind, number: str, key: bytes) -> DocumentIndex:
    """What stands for this document at this site. However the number is written (blanks, dashes, wide or small letters), it is
    the same. Raises Invalid, InvalidConfig."""
    if len(key) < KEY_MIN:
        raise InvalidConfig("document key", f"it needs {KEY_MIN} bytes or more")
    text = f"document 1|{kind}|{_plain(kind, number)}"
    return DocumentIndex(f"doc_{hmac.new(key, text.encode(), sha256).hexdigest()[:_INDEX_DIGITS]}")


def _plain(kind: DocumentKind, number: str) -> str:
    plain = "".join(char for char in unicodedata.normalize("NFKC", number).upper() if not char.isspace() and char not in "-–.<")
    if not NUMBER_MIN <= len(plain) <= NUMBER_MAX or not (plain.isascii() and plain.isalnum()):
        raise Invalid("document number", f"it needs {NUMBER_MIN} to {NUMBER_MAX} letters and digits")
    if kind == "resident_id" and not _is_resident_id(plain):
        raise Invalid("document number", "its check digit is wrong")
    return plain


def _is_resident_id(plain: str) -> bool:
    if len(plain) != 18 or not plain[:17].isdecimal():
        return False
    total = sum(int(digit) * weight for digit, weight in zip(plain, _WEIGHTS, strict=False))
    return plain[17] == _CHECKS[total % 11]
