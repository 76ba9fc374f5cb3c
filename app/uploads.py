"""The private folder of files being added: emptied of what was left there, and bounded."""

import time
from contextlib import suppress
from pathlib import Path

KEPT_SECONDS = 3600  # an upload that was broken off, or never added
MOST_BYTES = 1 << 30  # of all that wait to be added


def has_room(folder: Path) -> bool:
    """Whether another upload may begin; removes first what is too old to be added still."""
    held = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # gone meanwhile: it was added
            facts = path.lstat()
            if not path.is_dir() and time.time() - facts.st_mtime > KEPT_SECONDS:
                path.unlink()
            elif not path.is_dir():
                held += facts.st_size
    return held < MOST_BYTES
