"""Small wheels for pip to find in the tests of packages and models."""

import zipfile
from pathlib import Path


def put_wheel(shelf: Path, name: str, members: dict[str, bytes]) -> Path:
    """A wheel of version 1.0 on the shelf, the same bytes each time."""
    path = shelf / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    members = members | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in members.items():
            wheel.writestr(zipfile.ZipInfo(member), content)
    return path
