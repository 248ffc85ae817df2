"""What comes with a request besides JSON: fields in the address's query, and pictures as a raw body of bounded size.

A picture is checked for its kind and size only; whether it can be opened is for who reads it.
"""

import re
from typing import Any

import msgspec
from aiohttp import hdrs, web

from resort.errors import Invalid
from web_console.problems import HttpRefusal

PICTURE_TYPES = ("image/jpeg", "image/png")
PICTURE_LIMIT = 8 * 1024 * 1024  # what a telephone's camera makes at full size


def decoded_query(request: web.Request, kind: Any) -> Any:
    """The query as an instance of `kind`. Raises Invalid, naming the field: an unknown, a missing or a repeated one, too."""
    fields: dict[str, str] = {}
    for name, value in request.query.items():
        if name in fields:
            raise Invalid(name[:40] if name.isidentifier() else "query", "it is given more than once")
        fields[name] = value
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise as_invalid(str(error), "query") from error


async def picture_body(request: web.Request) -> bytes:
    """The body, a JPEG or PNG. Raises HttpRefusal for another kind and for one that is larger than `PICTURE_LIMIT`."""
    if request.content_type not in PICTURE_TYPES:
        raise HttpRefusal(415, "wrong_content_type", "Send the picture itself as image/jpeg or image/png.")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise HttpRefusal(415, "wrong_content_encoding", "Send the body without compression.")
    if (request.content_length or 0) > PICTURE_LIMIT:
        raise _too_large()
    content = bytearray()
    try:
        async for piece in request.content.iter_any():
            content += piece
            if len(content) > PICTURE_LIMIT:
                raise _too_large()
    except (web.HTTPException, ConnectionError, HttpRefusal):
        raise
    except Exception as error:  # a body whose chunks or length are broken; aiohttp's classes for it vary with its parser
        raise HttpRefusal(400, "malformed_body", "The body could not be read to its end.") from error
    if not content:
        raise Invalid("body", "it holds no picture")
    return bytes(content)


def _too_large() -> HttpRefusal:
    return HttpRefusal(413, "body_too_large", f"The picture is larger than {PICTURE_LIMIT // 1024 // 1024} MiB.")


def as_invalid(message: str, whole: str = "body") -> Invalid:
    """What msgspec says of an input, as our error."""
    # msgspec tells the place at the end: "Expected `int`, got `str` - at `$.units[...]`".
    problem, _, place = message.partition(" - at ")
    path = re.search(r"`\$\.?([^`]*)`", place)
    field_name = (path.group(1) if path else "") or whole
    return Invalid(field_name, problem.rstrip("."))
