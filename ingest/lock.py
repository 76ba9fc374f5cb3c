"""One writer at a time: a lock on the index folder that the system frees when its owner dies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ingest import UserError


@contextmanager
def writer_lock(index_dir: Path) -> Iterator[None]:
    """Hold the index for writing, or raise `UserError` at once, naming the owner's process id.

    Creates the folder, for its owner's eyes alone.
    """
    owner = index_dir / "writer.pid"
    try:
        index_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(index_dir / "writer.lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"The index is being written by process {_read(owner)}: wait until it ends.") from error
    except OSError as error:
        raise UserError(
            f"Cannot write to the index folder {index_dir} ({error.strerror or error}): "
            "make it writable, or set INDEX_DIR to another folder."
        ) from error
    try:
        with suppress(OSError):  # a full disk must not keep the lock from working
            owner.write_text(str(os.getpid()))
        yield
    finally:
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _read(owner: Path) -> str:
    try:
        return owner.read_text().strip() or "unknown"
    except OSError:
        return "unknown"
