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


class Pace:
    """`Progress` as one line with rate and time left; for displays that are no terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first = Progress("", 0, 0, "")
        self._since = 0.0

    def line(self, progress: Progress) -> str:
        """This state, such as "Embedding: 1.2 of 3.4 MB, 210 kB/s, 10 s left"."""
        now = self._clock()
        if progress.step != self._first.step:
            self._first, self._since = progress, now
        if not progress.total:
            return progress.step
        scale, unit = _scale(progress.total, progress.unit)
        line = f"{progress.step}: {_number(progress.done / scale)} of {_number(progress.total / scale)} {unit}"
        done, seconds = progress.done - self._first.done, now - self._since
        if done <= 0 or seconds < 1:
            return line
        rate = done / seconds
        scale, unit = _scale(rate, progress.unit)
        left = max(0.0, progress.total - progress.done) / rate
        return f"{line}, {_number(rate / scale)} {unit}/s, {_duration(left)} left"


def _scale(value: float, unit: str) -> tuple[float, str]:
    """Bytes in their larger units; what is counted singly stays so."""
    if unit != "B":
        return 1, unit
    return next(((size, name) for size, name in ((1e6, "MB"), (1e3, "kB")) if value >= size), (1, "B"))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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
