"""Chroma's folders: each is built once, sealed by checksums, and never changed again.

Chroma's own files survive neither a kill while it writes nor two processes at work on them
(measured on 1.5.9), and a damaged folder can take the process down. So a build is written in a
folder that nobody knows of yet, sealed, and then named in the catalog's commit; whoever reads
opens a private copy, made while the checksums are compared. Knows nothing of Chroma itself.
"""

import os
import shutil
import tempfile
import weakref
import zlib
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

Seal = dict[str, list[int]]  # relative path: [size in bytes, CRC-32]

_CHUNK = 1 << 20
_READING = "reading-"
_OWNER = "owner.lock"


class BrokenSealError(Exception):
    """A build is not what was sealed: missing, cut or changed."""


def seal(folder: Path) -> Seal:
    """The checksums of every file of a build that is finished and closed, made durable."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found[path.relative_to(folder).as_posix()] = _checksum(path)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    return found


def intact(folder: Path, sealed: Seal) -> bool:
    """Whether every file is as it was sealed."""
    try:
        return all(_checksum(folder / name) == facts for name, facts in sealed.items())
    except OSError:
        return False


def copy(folder: Path, sealed: Seal, target: Path) -> None:
    """Copy a build file by file; raises `BrokenSealError` when it is not as it was sealed."""
    for name, facts in sealed.items():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            if _checksum(folder / name, place) == facts:
                continue
        except FileNotFoundError as error:
            raise BrokenSealError(f"{folder / name} is missing") from error
        raise BrokenSealError(f"{folder / name} is damaged")


class PrivateCopy:
    """A copy of a build for one reader, gone with this object; the next sync removes those of the dead."""

    def __init__(self, chroma_dir: Path, name: str, sealed: Seal) -> None:
        """Copy the build `name`; into the system's temporary folder where `chroma_dir` is read-only or full."""
        try:
            self._make(Path(tempfile.mkdtemp(prefix=_READING, dir=chroma_dir)), chroma_dir / name, sealed)
        except OSError:
            self._make(Path(tempfile.mkdtemp(prefix="article-chat-")), chroma_dir / name, sealed)

    def _make(self, folder: Path, build: Path, sealed: Seal) -> None:
        lock = FileLock(folder / _OWNER, is_singleton=False, thread_local=False)
        self.close = weakref.finalize(self, _remove, folder, lock)
        self.path = folder / "build"
        try:
            lock.acquire(timeout=0)
            copy(build, sealed, self.path)
        except BaseException:
            self.close()
            raise


def _remove(folder: Path, lock: FileLock) -> None:
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)


def sweep(chroma_dir: Path, current: str) -> None:
    """Remove builds other than `current` and the copies of readers that have died."""
    for folder in chroma_dir.iterdir() if chroma_dir.exists() else ():
        if folder.name == current or (folder.name.startswith(_READING) and _in_use(folder)):
            continue
        with suppress(OSError):
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


def _in_use(folder: Path) -> bool:
    lock = FileLock(folder / _OWNER)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return True
    lock.release()
    return False


def _checksum(path: Path, copy_to: Path | None = None) -> list[int]:
    """[size, CRC-32] of a file, which is copied on the way if `copy_to` is given."""
    size, crc = 0, 0
    with path.open("rb") as file, (copy_to or Path(os.devnull)).open("wb") as target:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            target.write(chunk)
    return [size, crc]
