"""How far slow work has come: one event type, and its display in a terminal."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Progress:
    """One step of slow work: `done` of `total` (0 when unknown), counted in `unit`."""

    step: str
    done: float
    total: float
    unit: str


Report = Callable[[Progress], None]
Stop = Callable[[], bool]


class StoppedError(Exception):
    """The user asked slow work to end; what was finished is kept."""


class TerminalProgress:
    """Shows `Progress` on standard error; a context manager and a `Report`.

    A bar with rate and time left in a terminal, else one line for each step that takes longer
    than a second.
    """

    def __init__(self) -> None:
        self._step = ""
        self._bar: Any = None
        self._started = 0.0
        self._told = False

    def __enter__(self) -> "TerminalProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def __call__(self, progress: Progress) -> None:
        """Show this state."""
        if progress.step != self._step:
            self._end()
            self._begin(progress)
        if self._bar is not None:
            self._bar.total = progress.total or None
            self._bar.update(max(0, progress.done - self._bar.n))
        elif not self._told and time.monotonic() - self._started > 1:
            self._told = True
            total = f" ({progress.total:,.0f} {progress.unit})" if progress.total else ""
            print(f"{progress.step}{total} ...", file=sys.stderr, flush=True)

    def _begin(self, progress: Progress) -> None:
        self._step, self._started, self._told = progress.step, time.monotonic(), False
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                desc=progress.step,
                total=progress.total or None,
                unit=f" {progress.unit}",
                unit_scale=True,
                leave=False,
                dynamic_ncols=True,
            )

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._step = None, ""
