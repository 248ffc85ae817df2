"""The pages: what Vite built into `static`, and nothing else of the file system.

Files below `assets` carry a hash of their content in their names and may be cached for ever; the rest is asked for each time.
Names are matched against a strict pattern before a path is made of them, so no address can lead out of the folder.
"""

import re
from pathlib import Path

from aiohttp import hdrs, web

from web_console.callers import ANYONE
from web_console.problems import HttpRefusal
from web_console.routes import Call, Route

STATIC_FOLDER = Path(__file__).parent / "static"
# No leading dot, no separators, no control characters: also not the NUL that makes the file system raise.
FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
FOREVER = "public, max-age=31536000, immutable"
NOT_BUILT = "The console's pages are not built yet; run `make install`, which builds them with the package."

# Fixed, because what mimetypes knows differs from machine to machine, and nosniff makes a wrong type fatal.
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}


class Pages:
    """Handlers of the built front end."""

    def __init__(self, folder: Path = STATIC_FOLDER) -> None:
        self._folder = folder

    def routes(self) -> list[Route]:
        """This part of the table."""
        return [
            Route("GET", "/", self.index, ANYONE, "The console", answer="text/html", problems=(503,)),
            Route(
                "GET", "/assets/{name}", self.asset, ANYONE, "A part of the console's pages", answer="application/octet-stream"
            ),
            Route("GET", "/{name}", self.file, ANYONE, "Icons and the like", answer="application/octet-stream"),
        ]

    async def index(self, call: Call) -> web.StreamResponse:
        """The page itself, or one sentence that tells how to build it."""
        index = self._folder / "index.html"
        if not index.is_file():
            raise HttpRefusal(503, "pages_not_built", NOT_BUILT)
        return _file(index, "no-cache")

    async def asset(self, call: Call) -> web.StreamResponse:
        """A file with a hash in its name."""
        return _file(self._named("assets", call.ids["name"]), FOREVER)

    async def file(self, call: Call) -> web.StreamResponse:
        """A file beside the page."""
        return _file(self._named("", call.ids["name"]), "no-cache")

    def _named(self, folder: str, name: str) -> Path:
        path = self._folder / folder / name
        if not FILE_NAME.fullmatch(name) or path.suffix not in CONTENT_TYPES or not path.is_file():
            raise HttpRefusal(404, "not_found", "There is nothing at this address.")
        return path


def _file(path: Path, caching: str) -> web.FileResponse:
    # FileResponse answers If-None-Match, If-Modified-Since and Range, and reads off the event loop.
    return web.FileResponse(path, headers={hdrs.CACHE_CONTROL: caching, hdrs.CONTENT_TYPE: CONTENT_TYPES[path.suffix]})
