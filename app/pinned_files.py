"""Big files that are what their publisher made, by SHA-256: checked once, remembered, got by one process at a time.

Knows nothing of where they come from.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ingest import UserError
from ingest.progress import Progress, Report

BLOCK = 4 << 20


@dataclass(frozen=True)
class Pin:
    """What a file must be: its name for display, bytes, and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


def trusted(path: Path, sha256: str | None = None) -> bool:
    """Was the file, as it is now, found right before (and with this hash, if given)?

    Hashing takes seconds: a file of the size and time at which its hash was right is not hashed again.
    """
    try:
        known = json.loads(_stamp(path).read_text("utf-8"))
        return bool(known == _facts(path, sha256 or known["sha256"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def trust(path: Path, sha256: str) -> None:
    """Remember that the file was found right."""
    _stamp(path).write_text(json.dumps(_facts(path, sha256)), "utf-8")


def distrust(path: Path) -> None:
    """Forget that the file was found right: it is checked by its hash again."""
    _stamp(path).unlink(missing_ok=True)


def matches(path: Path, pin: Pin, report: Report) -> bool:
    """Is the file the publisher's own?"""
    if path.stat().st_size != pin.size:
        return False
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            done += len(block)
            report(Progress(f"Checking {pin.name}", done, pin.size, "B"))
    return digest.hexdigest() == pin.sha256


@contextmanager
def one_writer(path: Path, name: str) -> Iterator[None]:
    """Be the only process that gets the file. Raises `UserError` at once when another does, and on a full disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=0):
            yield
    except Timeout:
        raise UserError(f"Another process is fetching {name}. Wait until it is done.") from None
    except OSError as error:
        raise UserError(
            f"{name} cannot be kept in {path.parent} ({error.strerror or error}). Make room or make it writable, "
            "or set CACHE_DIR to another folder; then try again: it goes on from here."
        ) from error


def check_space(name: str, need: int, folder: Path) -> None:
    """Raise `UserError` when the disk has fewer than `need` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < need:
        raise UserError(
            f"{name} needs {need / 1e6:,.0f} MB of disk in {folder}; {free / 1e6:,.0f} MB are free. "
            "Make room, or set CACHE_DIR to another folder."
        )


def _stamp(path: Path) -> Path:
    return path.with_name(path.name + ".checked")


def _facts(path: Path, sha256: str) -> dict[str, object]:
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": sha256}
