"""Site codes: the short signed text in a QR code, verifiable by a lane with no network.

Layout (26 bytes): version 1 | key id 1 | ticket id 8 | time step 4 | MAC 12, all big endian, written in base45 (RFC 9285) as
39 characters of QR's alphanumeric mode: short codes are read far more often than long ones. The MAC is HMAC-SHA256 over
the first 14 bytes, truncated to 96 bits. Step 0 marks a printed code, step 1 a card; a phone code carries its 15 s step since
1970.
"""

import functools
import hmac
import struct
from datetime import datetime

import msgspec

from resort.access.reasons import Reason
from resort.errors import InvalidConfig
from resort.ids import TICKET_ID_BYTES, TicketId
from resort.site import Medium

VERSION = 1
STEP_S = 15
STEP_TOLERANCE = 1
PRINTED, CARD = 0, 1  # steps that stand for no time: paper, and cards that people keep
MAC_BYTES = 12
KEY_BYTES = 32
_HEAD_BYTES = 2 + TICKET_ID_BYTES + 4
_CODE_BYTES = _HEAD_BYTES + MAC_BYTES
CODE_LENGTH = _CODE_BYTES // 2 * 3
_MARK_BYTES = 8
_MARKED = b"mark\0"  # no code begins so (its first byte is VERSION): a mark is never the MAC of anything

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_NO_DIGIT = 255
_DIGITS = bytes(_ALPHABET.find(chr(byte)) & _NO_DIGIT for byte in range(256))  # a character's value; find's -1 becomes 255
_WORDS = struct.Struct(f">{_CODE_BYTES // 2}H")


class SiteKeys(msgspec.Struct, frozen=True):
    """The site's signing keys by key id (0-255), and the one that new codes are signed with. Never log or journal this."""

    current: int
    keys: dict[int, bytes]

    def __repr__(self) -> str:
        return f"SiteKeys(current={self.current}, ids={sorted(self.keys)})"


class CodeReading(msgspec.Struct, frozen=True, gc=False):
    """A genuine code: the ticket it names, on what it is shown, its step (0 unless it rotates) and how many steps that is away
    from the lane's clock."""

    ticket_id: TicketId
    step: int
    steps_off: int
    medium: Medium = "printed"

    @property
    def stale(self) -> bool:
        """Whether a rotating code is of another time than now."""
        return abs(self.steps_off) > STEP_TOLERANCE


def check_keys(keys: SiteKeys) -> SiteKeys:
    """The same keys, if they can be used. Raises InvalidConfig."""
    if keys.current not in keys.keys:
        raise InvalidConfig("site keys", f"the current key {keys.current} is not among them")
    for key_id, key in keys.keys.items():
        if not 0 <= key_id <= 255 or len(key) != KEY_BYTES:
            raise InvalidConfig("site keys", f"key {key_id} must have an id of 0 to 255 and {KEY_BYTES} bytes")
    return keys


def step_at(at: datetime) -> int:
    """The time step that `at` (aware) falls in."""
    return int(at.timestamp()) // STEP_S


def issue_code(ticket_id: TicketId, keys: SiteKeys, step: int = PRINTED) -> str:
    """The code of a ticket: PRINTED, on a CARD, or for the phone's step."""
    head = bytes((VERSION, keys.current)) + bytes.fromhex(ticket_id) + step.to_bytes(4, "big")
    return _base45(head + _mac(head, keys.keys[keys.current]))


def examine_code(text: str, keys: SiteKeys, at: datetime) -> CodeReading | Reason:
    """The genuine code in `text`, stale or not, or why it is none: malformed or forged. Never raises on outside text."""
    raw = _unbase45(text)
    if raw is None or raw[0] != VERSION:
        return Reason.MALFORMED_CODE
    head, mac = raw[:_HEAD_BYTES], raw[_HEAD_BYTES:]
    key = keys.keys.get(raw[1])
    if key is None or not hmac.compare_digest(mac, _mac(head, key)):
        return Reason.FORGED_CODE
    ticket_id = TicketId(head[2 : 2 + TICKET_ID_BYTES].hex())
    step = int.from_bytes(head[2 + TICKET_ID_BYTES :], "big")
    if step in (PRINTED, CARD):
        return CodeReading(ticket_id, 0, 0, "printed" if step == PRINTED else "card")
    return CodeReading(ticket_id, step, step - step_at(at), "phone")


def read_code(text: str, keys: SiteKeys, at: datetime) -> CodeReading | Reason:
    """The genuine code in `text` that may be used now, or why not: malformed, forged or stale."""
    reading = examine_code(text, keys, at)
    return Reason.STALE_CODE if isinstance(reading, CodeReading) and reading.stale else reading


def code_mark(text: str, keys: SiteKeys) -> str:
    """A short keyed digest of what was shown where it named no ticket: tells that it was the same thing, and not what it was.

    It changes with the site's current key.
    """
    return hmac.digest(keys.keys[keys.current], _MARKED + text.encode(errors="surrogatepass"), "sha256")[:_MARK_BYTES].hex()


def _mac(head: bytes, key: bytes) -> bytes:
    # Not `hmac.digest`: it lets other threads in, and a busy lane then waits for the disk's.
    keyed = _keyed(key).copy()
    keyed.update(head)
    return keyed.digest()[:MAC_BYTES]


@functools.lru_cache(maxsize=256)
def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")


def _base45(raw: bytes) -> str:
    characters = []
    for index in range(0, len(raw), 2):
        rest = int.from_bytes(raw[index : index + 2], "big")
        for _ in range(3):
            rest, digit = divmod(rest, 45)
            characters.append(_ALPHABET[digit])
    return "".join(characters)


def _unbase45(text: str) -> bytes | None:
    """The code's bytes, or None unless `text` is exactly one canonical code."""
    if len(text) != CODE_LENGTH:
        return None
    digits = text.encode("ascii", "replace").translate(_DIGITS)  # "?" is no digit
    if _NO_DIGIT in digits:
        return None
    try:
        return _WORDS.pack(*[a + 45 * b + 2025 * c for a, b, c in zip(digits[::3], digits[1::3], digits[2::3], strict=True)])
    except struct.error:
        return None  # one of them is above 65535
