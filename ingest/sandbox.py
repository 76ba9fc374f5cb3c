"""Parsing in a child process with limits: a crash, a hang or a bomb costs one file, never us.

The child (`sandbox_child`) is reused while all is well (its start and imports cost more than most
files) and killed and replaced when anything is not. It has a session of its own, so that Ctrl-C in the
terminal ends us, not the file that it reads. It limits its own address space, CPU time and
file size; wall time and output are limited here.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from ingest.document import Document, Metadata
from ingest.readers.build import ArchiveError, ReadError
from ingest.sandbox_child import OUTPUT_BYTES, read_exactly
from ingest.settings import SOURCE_BYTES

MEMORY_BYTES = 1 << 30  # above what the worker takes when it starts
CPU_SECONDS = 30
WALL_SECONDS = 60.0
_WATCH_SECONDS = 0.5  # between two looks at the clock
STOPPED = "reading it was stopped; nothing is wrong with it"
_FILES_PER_WORKER = 200  # then a fresh one, so that leaks of native parsers stay bounded
_ROOT = Path(__file__).resolve().parent.parent


class _Worker:
    """One child process; not for two threads at once."""

    def __init__(self, limits: dict[str, float]) -> None:
        # Nothing of our environment (keys, proxies) is any business of a parser.
        kept = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LANG", "LC_ALL")
        environment = {k: v for k in kept if (v := os.environ.get(k))} | {"PYTHONIOENCODING": "utf-8"}
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "ingest.sandbox_child", json.dumps(limits)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=_ROOT, env=environment, start_new_session=True,
        )  # fmt: skip
        self._limits = limits
        self._due: float | None = None  # when the answer that is waited for comes too late
        self._late, self._over = False, threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        self.files = 0

    def _watch(self) -> None:
        """End the process when an answer is overdue. One thread for all: starting one costs more than a small file."""
        while not self._over.wait(_WATCH_SECONDS):
            due = self._due
            if due is not None and time.monotonic() > due:
                self._late = True
                self.kill()
                return

    def ask(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Send one request and wait for its answer; raises `ReadError` when the child dies of it."""
        self.files += 1
        self._due = time.monotonic() + self._limits["wall"]
        try:
            return self._exchange(request, data)
        except (OSError, EOFError, ValueError) as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)  # its own exit code says more than our kill
            self.stop()
            raise ReadError(self._cause_of_death(error)) from error
        finally:
            self._due = None

    def _exchange(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin and stdout
        stdin.write(json.dumps(request | {"bytes": len(data)}).encode() + b"\n")
        stdin.write(data)
        stdin.flush()
        head = stdout.readline(OUTPUT_BYTES)
        if not head.endswith(b"\n"):
            raise ValueError("output") if len(head) >= OUTPUT_BYTES else EOFError
        answer: dict[str, Any] = json.loads(head)
        body = read_exactly(stdout, min(int(answer.get("bytes", 0)), OUTPUT_BYTES))
        return answer, body

    def _cause_of_death(self, error: Exception) -> str:
        if self._late:
            return f"reading it took more than {self._limits['wall']:g} seconds"
        if isinstance(error, ValueError):
            return f"it gives more than {OUTPUT_BYTES // 1_000_000} MB of text"
        code = self._process.returncode
        if code in (-24, -9, 152, 137):  # SIGXCPU, then SIGKILL at the hard limit
            return f"reading it took more than {self._limits['cpu']:g} seconds of computing"
        return f"the reader crashed on it ({'signal' if code < 0 else 'exit'} {abs(code)})"

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the process, whoever waits for its answer; that one then calls `stop`."""
        self._process.kill()

    def stop(self) -> None:
        """Kill the process and wait for its end."""
        self._over.set()
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()


class Sandbox:
    """Readers behind a wall; use as a context manager. Safe for several threads.

    Up to `workers` children run at once; they are started when first needed.
    """

    def __init__(
        self, workers: int = 1, *, cpu_seconds: float = CPU_SECONDS, wall_seconds: float = WALL_SECONDS,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:  # fmt: skip
        self._limits = {"cpu": cpu_seconds, "wall": wall_seconds, "memory": memory_bytes}
        self._idle: queue.Queue[_Worker | None] = queue.Queue()
        self._count = max(1, workers)
        self._busy: set[_Worker] = set()
        self._closed = False
        self._lock = threading.Lock()
        for _ in range(self._count):
            self._idle.put(None)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all children; what is being read by then ends in a `ReadError` that says so."""
        with self._lock:
            self._closed = True
            for busy in self._busy:
                busy.kill()
        for _ in range(self._count):
            with contextlib.suppress(queue.Empty):
                worker = self._idle.get_nowait()
                self._idle.put(None)  # whoever waits for a child is told
                if worker:
                    worker.stop()

    def read(
        self, data: bytes, name: str, url: str | None = None, content_type: str | None = None
    ) -> tuple[Document, str]:
        """`ingest.readers.read` in a child: the document and its format ("pdf", "html", ...).

        Raises `ArchiveError` for a zip of several files, `ReadError` for anything else that gives no text.
        """
        answer, text = self._ask({"do": "read", "name": name, "url": url, "type": content_type}, data)
        metadata = answer["metadata"] | {"pages": tuple(answer["metadata"]["pages"])}
        return Document(text.decode(), Metadata(**metadata)), answer["kind"]

    def unzip(self, data: bytes, skip: int = 0) -> tuple[list[tuple[str, bytes | str]], bool]:
        """Members of an archive after the first `skip`, as many as fit one answer, and whether that is all.

        A member is (name, bytes), or (name, the reason why there are none).
        """
        answer, body = self._ask({"do": "unzip", "skip": skip}, data)
        members: list[tuple[str, bytes | str]] = []
        at = 0
        for name, size, reason in answer["members"]:
            members.append((name, body[at : at + size] if reason is None else reason))
            at += size
        return members, answer["all"]

    def entries(self, data: bytes, name: str) -> list[dict[str, str | None]] | None:
        """The entries of a feed or sitemap, see `ingest.readers.feed`; None when it is neither."""
        answer, _ = self._ask({"do": "entries", "name": name}, data)
        found: list[dict[str, str | None]] | None = answer["entries"]
        return found

    def _ask(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        if len(data) > SOURCE_BYTES:
            raise ReadError(f"larger than {SOURCE_BYTES // 1_000_000} MB")
        worker = self._idle.get()
        try:
            worker = self._ready(worker)
            answer, body = worker.ask(request, data)
        except BaseException as error:
            if worker:
                self._retire(worker)
            worker = None
            if self._closed and isinstance(error, ReadError):
                raise ReadError(STOPPED) from error
            raise
        finally:
            if worker:
                with self._lock:
                    self._busy.discard(worker)
            self._idle.put(worker)
        if answer.get("last"):
            worker.stop()
        if "error" in answer:
            raise (ArchiveError if answer.get("archive") else ReadError)(answer["error"])
        return answer, body

    def _ready(self, worker: _Worker | None) -> _Worker:
        """This child if it can go on, else a new one; counted among the busy. Raises `ReadError` after `close`."""
        if worker and (not worker.alive or worker.files >= _FILES_PER_WORKER):
            worker.stop()
            worker = None
        with self._lock:
            if self._closed:
                raise ReadError(STOPPED)
            worker = worker or _Worker(self._limits)
            self._busy.add(worker)
        return worker

    def _retire(self, worker: _Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
        worker.stop()
