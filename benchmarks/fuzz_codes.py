"""Fuzzing of site codes: genuine ones cut, spliced, moved in time and signed by others, and text of every kind.

What may be admitted is known from outside: a text is genuine if it is, character for character, one that this generator
issued under a key of the site, at a moment within its window. Whatever else `read_code` accepts is a grant to a forger.
"""

import random
import struct
from datetime import UTC, datetime, timedelta

from benchmarks.fuzz_report import Verdict
from resort.access.codes import (
    CARD,
    KEY_BYTES,
    PRINTED,
    STEP_S,
    STEP_TOLERANCE,
    CodeReading,
    SiteKeys,
    code_mark,
    issue_code,
    read_code,
    step_at,
)
from resort.ids import TICKET_ID_BYTES, TicketId

AT = datetime(2026, 12, 12, 1, 0, tzinfo=UTC)
TICKETS = 1_000
HEAD = 2 + TICKET_ID_BYTES + 4  # version, key id, ticket id, step; the MAC follows
LASTING = (PRINTED, CARD)
STEPS = (-3, -2, -1, 0, 1, 2, 3)  # of phone codes, away from the moment
MOMENTS = tuple(AT + timedelta(seconds=jump) for jump in (0, 0, 0, 0, STEP_S, -STEP_S, 2 * STEP_S, -2 * STEP_S, 3_600, -7_200))
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_UNICODE = "\x00\n\r\t\x7f\u00e9\u0130\u200b\u202e\u2028\uff10\uff21\ufffd\U0001f3bf\ud800\u96ea"


class CodeFuzz:
    """Draws texts and shows them to `read_code`. With `signed` off each text's MAC is made right first, which is what a reader
    without the check of the MAC would do: the control, which must admit forgers."""

    name = "codes"

    def __init__(self, seed: int, *, signed: bool = True) -> None:
        self._text, self._at = "", AT
        self._signed = signed
        self._dice = dice = random.Random(f"{seed} codes")  # noqa: S311 - a seeded rehearsal
        keys = {key_id: dice.randbytes(KEY_BYTES) for key_id in range(4)}
        self._keys = SiteKeys(2, {1: keys[1], 2: keys[2]})
        self._issued: dict[str, int] = {}  # step by text
        now = step_at(AT)
        for _ in range(TICKETS):
            ticket = TicketId(dice.randbytes(TICKET_ID_BYTES).hex())
            signer = SiteKeys(dice.choice((1, 2)), self._keys.keys)
            for step in (*LASTING, *(now + away for away in STEPS)):
                self._issued[issue_code(ticket, signer, step)] = step
        self._genuine = list(self._issued)
        self._raw = [_unbase45(text) for text in self._genuine]
        self._foreign = self._others_codes(now)

    def _others_codes(self, now: int) -> list[str]:
        """Codes of another resort under our key ids, and of keys that were retired or never ours."""
        dice, codes = self._dice, []
        for _ in range(TICKETS):
            signer = SiteKeys(key_id := dice.randrange(256), {key_id: dice.randbytes(KEY_BYTES)})
            step = dice.choice((*LASTING, now + dice.randint(-2, 2)))
            codes.append(issue_code(TicketId(dice.randbytes(TICKET_ID_BYTES).hex()), signer, step))
        return codes

    @property
    def shown(self) -> str:
        """The last text, and the moment at which it was shown to the lane."""
        return f"{self._text!a} at {self._at:%H:%M:%S}"

    def try_one(self) -> Verdict:
        """Draw one text and judge what `read_code` says of it."""
        text = self._text = self._draw()
        at = self._at = self._dice.choice(MOMENTS)
        reading = read_code(text if self._signed else self._made_right(text), self._keys, at)
        step = self._issued.get(text)
        due = step is not None and (step in LASTING or abs(step - step_at(at)) <= STEP_TOLERANCE)
        if isinstance(reading, CodeReading):
            named = reading.ticket_id == TicketId(_unbase45(text)[2 : 2 + TICKET_ID_BYTES].hex()) if due else False
            return "genuine" if due and named and reading.step == (0 if step in LASTING else step) else "grant"
        code_mark(text, self._keys)  # what the journal keeps of a refused text
        return "lost" if due else "refused"

    # ---- inputs

    def _draw(self) -> str:
        dice = self._dice
        kind = dice.random()
        if kind < 0.06:
            return dice.choice(self._genuine)
        if kind < 0.12:
            return dice.choice(self._foreign)
        if kind < 0.20:
            return "".join(dice.choices(_ALPHABET, k=39))
        if kind < 0.24:
            return "".join(dice.choices(_UNICODE + _ALPHABET, k=dice.choice((0, 1, 38, 39, 40, 200))))
        if kind < 0.62:
            return _base45(self._spoilt_bytes(dice.choice(self._raw)))
        return self._spoilt_text(dice.choice(self._genuine))

    def _spoilt_bytes(self, raw: bytes) -> bytes:
        """One change under the MAC or of it, sometimes two."""
        dice, code = self._dice, bytearray(raw)
        for _ in range(dice.choice((1, 1, 1, 2))):
            match dice.randrange(8):
                case 0:
                    code[1] = dice.choice((0, 1, 2, 3, 9, 255))  # key id
                case 1:
                    step = int.from_bytes(code[HEAD - 4 : HEAD], "big") + dice.choice((-4, -1, 1, 2, 5_760))
                    code[HEAD - 4 : HEAD] = (step % 2**32).to_bytes(4, "big")
                case 2:
                    code[HEAD - 4 : HEAD] = dice.choice(LASTING).to_bytes(4, "big")  # as if printed, or on a card
                case 3:
                    code[2:HEAD] = dice.choice(self._raw)[2:HEAD]  # another ticket's head on this MAC
                case 4:
                    code[HEAD:] = dice.choice((bytes(len(code) - HEAD), dice.randbytes(len(code) - HEAD)))
                case 5:
                    code[0] = dice.randrange(256)  # version
                case 6:
                    code[dice.randrange(len(code))] ^= 1 << dice.randrange(8)
                case _:
                    del code[dice.randrange(len(code)) :]
                    code += dice.randbytes(len(raw) - len(code))
        return bytes(code)

    def _spoilt_text(self, text: str) -> str:
        dice, at = self._dice, self._dice.randrange(len(text))
        match dice.randrange(11):
            case 0:
                return text[:at]
            case 1:
                return text[:at] + dice.choice(_ALPHABET) + text[at + 1 :]
            case 2:
                return text[:at] + dice.choice(_UNICODE) + text[at + 1 :]
            case 3:
                return text[:at] + dice.choice(self._genuine)[at:]  # splice
            case 4:
                return text[:at] + text[at + 1 :]
            case 5:
                return text[:at] + dice.choice(_ALPHABET + _UNICODE) + text[at:]
            case 6:
                return dice.choice((" ", "\n", "\ufeff", "]Q3", "0")) + text
            case 7:
                return text + dice.choice((" ", "\r\n", "\x00", text))
            case 8:
                return text.lower() if text.lower() != text else text + "a"
            case 9:
                return _other_spelling(text, at // 3 * 3)
            case _:
                return text[at:] + text[:at]

    def _made_right(self, text: str) -> str:
        """The text with a MAC that its own head deserves, where it has the shape of a code under one of our keys."""
        try:
            raw = _unbase45(text)
        except ValueError:
            return text
        if len(raw) != HEAD + 12 or raw[0] != 1 or raw[1] not in self._keys.keys:
            return text
        signer = SiteKeys(raw[1], self._keys.keys)
        return issue_code(TicketId(raw[2 : HEAD - 4].hex()), signer, int.from_bytes(raw[HEAD - 4 : HEAD], "big"))


def _other_spelling(text: str, at: int) -> str:
    """Three characters whose value is beyond two bytes, but the same bytes to a reader that lets them overflow."""
    value = sum(_ALPHABET.index(character) * 45**weight for weight, character in enumerate(text[at : at + 3])) + 0x10000
    if value >= 45**3:
        return text[:at] + ":::" + text[at + 3 :]
    return text[:at] + "".join(_ALPHABET[value // 45**weight % 45] for weight in range(3)) + text[at + 3 :]


def _base45(raw: bytes) -> str:
    """RFC 9285, written once more here: the judge shall not share a mistake with the judged."""
    text = ""
    for value in struct.unpack(f">{len(raw) // 2}H", raw):
        text += _ALPHABET[value % 45] + _ALPHABET[value // 45 % 45] + _ALPHABET[value // 2025]
    return text


def _unbase45(text: str) -> bytes:
    """Raises ValueError on what is no such text."""
    if len(text) % 3:
        raise ValueError("cut")
    raw = b""
    for at in range(0, len(text), 3):
        value = sum(_ALPHABET.index(character) * 45**weight for weight, character in enumerate(text[at : at + 3]))
        if value > 0xFFFF:
            raise ValueError("overflow")
        raw += value.to_bytes(2, "big")
    return raw
