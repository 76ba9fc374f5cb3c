"""How both command lines end."""

import os
import sys
from typing import NoReturn

INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it


def leave(status: int) -> NoReturn:
    """End this process; when the user stopped it, no thread that waits for a network or a terminal is waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    if status == INTERRUPTED:
        os._exit(status)
    sys.exit(status)
