"""Fuzzing of the other parsers of outside bytes: camera streams and pictures, scanner lines, request bodies, profiles.

None of them decides about admission, so what is judged is that they survive, keep little and hand on only what they promise.
"""

import asyncio
import contextlib
import io
import random
from collections.abc import Callable

import msgspec
from PIL import Image

from benchmarks.fuzz_report import Verdict
from devices.code_engines import MAX_TEXT
from devices.code_reader import CodeReader
from devices.mjpeg import PartParser
from devices.profile import load_profile, parse_profile
from devices.scanner_lines import MAX_LINE_BYTES, ScannerLines
from resort.errors import Invalid, InvalidConfig
from resort.site import ScannerLine
from web_console import bodies
from web_console.problems import HttpRefusal
from web_console.routes import decoded_body

MAX_PART = 2_000
FEED_MAX = 4_096


def spoil(dice: random.Random, data: bytes, *, changes: int = 4) -> bytes:
    """The bytes with some of them flipped, cut out, doubled or replaced."""
    raw = bytearray(data)
    for _ in range(dice.randint(0, changes)):
        at = dice.randrange(len(raw) + 1)
        match dice.randrange(6):
            case 0 if at < len(raw):
                raw[at] ^= 1 << dice.randrange(8)
            case 1:
                del raw[at : at + dice.choice((1, 2, 9, 60))]
            case 2:
                raw[at:at] = raw[at : at + dice.choice((1, 9, 60))]
            case 3:
                raw[at:at] = dice.choice(_WORDS)
            case 4:
                raw[at : at + 4] = dice.randbytes(dice.randint(0, 6))
            case _:
                del raw[at:]
    return bytes(raw)


_WORDS = (
    *(b"\r\n\r\n", b"\n\n", b"--x", b"--x--", b"Content-Length: 9999999999\r\n", b"content-length:-1"),
    *(b"\0", b"\xff\xd8\xff", b"]Q3", b'"', b"{", b"}", b"[" * 40, b"\\ud800", b"1e999", b"-0", b"null", b"9" * 400),
    *(b"\xc3\x28", b"&a [*a]", b"!!python/name:os.system "),
)


def _pieces(dice: random.Random, data: bytes) -> list[bytes]:
    size = dice.choice((1, 7, 100, FEED_MAX))
    return [data[at : at + size] for at in range(0, len(data), size)]


class CameraStreamFuzz:
    """Multipart streams."""

    name = "camera streams"

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"{seed} streams")  # noqa: S311 - a seeded rehearsal
        self._stream = b""

    @property
    def shown(self) -> str:
        """The last stream."""
        return self._stream.hex()

    def try_one(self) -> Verdict:
        """A few parts, spoilt. ValueError is how the parser gives a stream up."""
        dice = self._dice
        parts = []
        for _ in range(dice.randint(1, 4)):
            body = dice.randbytes(dice.randint(0, 300))
            length = f"Content-Length: {len(body)}\r\n".encode() if dice.random() < 0.6 else b""
            parts.append(b"--x\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + body + b"\r\n")
        self._stream = spoil(dice, b"".join(parts) + b"--x")
        parser = PartParser(dice.choice(("x", "--x")), MAX_PART)
        verdict: Verdict = "refused"
        with contextlib.suppress(ValueError):
            for piece in _pieces(dice, self._stream):
                for part in parser.feed(piece):
                    verdict = "genuine"
                    if not 0 < len(part) <= MAX_PART:
                        return "grant"
        return verdict


class ScannerFuzz:
    """Scanner lines."""

    name = "scanner lines"

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"{seed} lines")  # noqa: S311 - a seeded rehearsal
        self._stream = b""

    @property
    def shown(self) -> str:
        """The last bytes."""
        return self._stream.hex()

    def try_one(self) -> Verdict:
        """Lines of a scanner with any framing, spoilt. A text never holds an end of line, nor more than a line may."""
        dice = self._dice
        line = ScannerLine(dice.choice(("", "]Q3", "雪")), dice.choice(("", "#")), dice.choice(("any", "CR", "LF", "CRLF")))
        ends = (b"\r", b"\n", b"\r\n", b"")
        texts = (line.prefix.encode() + dice.randbytes(dice.choice((0, 5, 39, 600))) + line.suffix.encode() for _ in range(4))
        self._stream = spoil(dice, b"".join(text + dice.choice(ends) for text in texts))
        lines = ScannerLines(line)
        verdict: Verdict = "refused"
        end = {"CR": "\r", "LF": "\n", "CRLF": "\r\n", "any": "\n"}[line.terminator]
        for piece in _pieces(dice, self._stream):
            for text in lines.feed(piece):
                verdict = "genuine"
                if not text or end in text or len(text) > MAX_LINE_BYTES:
                    return "grant"
        return verdict


class PictureFuzz:
    """JPEG pictures, as the code reader takes them from a camera."""

    name = "pictures"

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"{seed} pictures")  # noqa: S311 - a seeded rehearsal
        self._reader = CodeReader()
        file = io.BytesIO()
        Image.effect_noise((160, 120), 60).save(file, "JPEG")
        self._picture, self._spoilt = file.getvalue(), b""

    @property
    def shown(self) -> str:
        """The last picture."""
        return self._spoilt.hex()

    def try_one(self) -> Verdict:
        """A small picture, spoilt."""
        self._spoilt = spoil(self._dice, self._picture)
        text = self._reader.read(self._spoilt).text
        return "refused" if text is None or 0 < len(text) <= MAX_TEXT else "grant"


class ProfileFuzz:
    """Turnstile profiles: files of an operator, who may mistype."""

    name = "profiles"

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"{seed} profiles")  # noqa: S311 - a seeded rehearsal
        profile = msgspec.to_builtins(load_profile("pulse_coil"))
        self._text, self._spoilt = msgspec.yaml.encode(profile), ""

    @property
    def shown(self) -> str:
        """The last text."""
        return ascii(self._spoilt)

    def try_one(self) -> Verdict:
        """The bundled profile, spoilt. InvalidConfig is how it is refused."""
        self._spoilt = spoil(self._dice, self._text, changes=2).decode(errors="replace")
        with contextlib.suppress(InvalidConfig):
            parse_profile(self._spoilt, "fuzz")
            return "genuine"
        return "refused"


class BodyFuzz:
    """Bodies of HTTP requests, with content types and encodings of any kind."""

    name = "request bodies"

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"{seed} bodies")  # noqa: S311 - a seeded rehearsal
        asks = [kind for kind in vars(bodies).values() if isinstance(kind, type) and issubclass(kind, bodies.Ask)]
        self._decoders = {kind: msgspec.json.Decoder(kind) for kind in asks}
        self._raw = b""

    @property
    def shown(self) -> str:
        """The last body."""
        return ascii(self._raw)

    async def try_one(self) -> Verdict:
        """A body, spoilt. Invalid and HttpRefusal are how it is refused; what is taken must be what the struct says."""
        dice = self._dice
        body, meant_for = dice.choice(_BODIES)
        self._raw = spoil(dice, body)
        # Half of them come where they belong: what is hardly spoilt there is taken, however many kinds of request there are.
        decoder = self._decoders[meant_for if dice.random() < 0.5 else dice.choice(list(self._decoders))]
        with contextlib.suppress(Invalid, HttpRefusal):
            body = await decoded_body(_Request(dice, self._raw), decoder)  # type: ignore[arg-type]
            again = msgspec.json.encode(body)
            return "genuine" if decoder.decode(again) == body else "grant"
        return "refused"


class _Request:
    """As much of a request as reading its body takes."""

    def __init__(self, dice: random.Random, raw: bytes) -> None:
        self.content_type = "application/json" if dice.random() < 0.95 else "text/plain"
        self.charset = dice.choice((None, None, "utf-8", "UTF8", "latin-1"))
        self.headers = {"Content-Encoding": "gzip"} if dice.random() < 0.02 else {}
        self._raw = raw

    async def read(self) -> bytes:
        """The body."""
        await asyncio.sleep(0)
        return self._raw


_BODIES: tuple[tuple[bytes, type[bodies.Ask]], ...] = (
    (b'{"name":"desk-1","password":"correct horse"}', bodies.SignIn),
    (b'{"product":"single","day":"2026-12-12","units":{"adult":2,"child":1},"channel":"desk"}', bodies.QuoteAsk),
    (b'{"quote_id":"q-1"}', bodies.OrderAsk),
    (b'{"method":"cash","amount":{"minor":12000,"currency":"CNY"}}', bodies.PaymentAsk),
    (b'{"mode":"closed"}', bodies.LaneModeAsk),
    (b'{"gate_id":"north","minutes":5}', bodies.SignAsk),
    (b"[" * 2_000, bodies.QuoteAsk),
    (b'{"units":' * 300, bodies.QuoteAsk),
)

StreamTarget = Callable[[int], CameraStreamFuzz | ScannerFuzz | PictureFuzz | ProfileFuzz | BodyFuzz]
STREAMS: tuple[tuple[StreamTarget, int], ...] = (
    (CameraStreamFuzz, 50_000),
    (ScannerFuzz, 50_000),
    (BodyFuzz, 50_000),
    (PictureFuzz, 3_000),
    (ProfileFuzz, 1_000),
)
