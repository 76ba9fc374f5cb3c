"""Sources worked off a few at a time: a job ends in outcomes or in more jobs, and one that fails stops no other."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest import UserError
from ingest.progress import Progress, Report, Stop, StoppedError

Status = Literal["added", "updated", "unchanged", "failed"]


@dataclass(frozen=True)
class Added:
    """What became of one source: the corpus file, or the reason why there is none."""

    source: str
    path: Path | None = None
    reason: str | None = None


@dataclass(frozen=True)
class AddReport:
    """What became of all sources. `stopped` says that the user ended it early."""

    added: tuple[Added, ...] = ()
    updated: tuple[Added, ...] = ()
    unchanged: tuple[Added, ...] = ()
    failed: tuple[Added, ...] = ()
    stopped: bool = False


Outcome = tuple[Status, Added]


@dataclass(frozen=True)
class Job:
    """One source still to be worked off.

    `work` raises `UserError` with the reason when it fails, `StoppedError` when the user stopped it.
    """

    source: str
    work: Callable[[], "list[Job | Outcome]"]


def work_off(first: list[Job], workers: int, progress: Report | None, stop: Stop | None) -> AddReport:
    """Work the jobs off, `workers` at a time; `stop` is asked before each.

    `progress` hears of the jobs done and known so far. An interrupt (the second Ctrl-C) waits for no job.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="add")
    try:
        return _work_off(pool, deque(first), workers, progress, stop)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _work_off(
    pool: ThreadPoolExecutor, waiting: deque[Job], workers: int, progress: Report | None, stop: Stop | None
) -> AddReport:
    running: dict[Future[list[Job | Outcome]], Job] = {}
    found: dict[Status, list[Added]] = {"added": [], "updated": [], "unchanged": [], "failed": []}
    done, stopped = 0, False
    while waiting or running:
        stopped = stopped or bool(stop and stop())
        if stopped:
            waiting.clear()
        while waiting and len(running) < 2 * workers:
            job = waiting.popleft()
            running[pool.submit(_guarded, job)] = job
        if not running:
            break
        for future in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
            job = running.pop(future)
            more = []
            try:
                results = future.result()
            except StoppedError:
                stopped, results = True, []
            for result in results:
                if isinstance(result, Job):
                    more.append(result)
                else:
                    found[result[0]].append(result[1])
            waiting.extendleft(reversed(more))
            done += 1
            if progress:
                known = done + len(waiting) + len(running)
                progress(Progress("Reading sources", done, known, "sources"))
    return AddReport(**{status: tuple(items) for status, items in found.items()}, stopped=stopped)


def _guarded(job: Job) -> list[Job | Outcome]:
    try:
        return job.work()
    except StoppedError:
        raise
    except UserError as error:
        return [("failed", Added(job.source, reason=str(error)))]
    except OSError as error:
        return [("failed", Added(job.source, reason=error.strerror or str(error)))]
    except Exception as error:  # noqa: BLE001 - a fault of ours on one source must not lose all the others
        return [("failed", Added(job.source, reason=f"reading it failed unforeseen ({type(error).__name__})"))]
