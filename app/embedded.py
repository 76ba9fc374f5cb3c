"""The embedded model: llama.cpp's own server (through xllamacpp) on loopback, in a child process.

A process of its own, not a thread: loading holds Python's interpreter lock for
seconds (measured: 4.5 s, during which no other thread of the process runs), a bad
model file can crash llama.cpp, and ending a process frees everything for certain.
The child ends by itself when its standard input closes, that is, when the parent
dies in whatever way. Gives a base URL; `model.py` cannot tell who serves.
"""

import atexit
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from app.gguf import parts
from app.memory import fitting_context, free_memory, too_big
from app.pinned_files import distrust

ROOT = Path(__file__).resolve().parent.parent
State = Literal["loading", "ready", "failed", "stopped"]
# A thread that is done waits asleep for the others, not spinning. Spinning keeps the core from whom it waits for: with
# one busy program beside it on two cores, writing fell from 16 to 0.3 tokens a second; asleep, from 15 to 8.6.
YIELDING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


@dataclass(frozen=True)
class ServerOptions:
    """How llama.cpp is driven; figures are for a machine with 8 GB of memory.

    `context` tokens of attention cache are shared by `slots` users at once (28 kB a token
    with the packaged model): one may use it all, four get a quarter each. `batch` tokens are
    read at a time: between two batches other users' words are written and cancels are seen,
    so it bounds both (64 tokens take under a second on two cores, at the speed of 512).
    """

    context: int = 16384
    slots: int = 4
    batch: int = 64
    threads: int | None = None
    prompt_cache_mib: int = 256


class EmbeddedServer:
    """A llama.cpp server for one GGUF file; `start()` returns at once and loading goes on.

    `base_url` (".../v1") and `api_key` are for an OpenAI client, once `state` is "ready".
    The key is random for each start, so that no other user of the machine and no web page
    can use the model. After "failed", `reason` is one clear line; `start()` tries again.
    """

    def __init__(self, weights: Path, options: ServerOptions = ServerOptions()) -> None:
        self.weights = weights
        self.options = options
        self.base_url = ""
        self.api_key = ""
        self.reason = ""
        self._process: subprocess.Popen[str] | None = None
        self._loaded = threading.Event()
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        """Where it stands now; a process that died after loading is "failed"."""
        if self._process is None:
            return "failed" if self.reason else "stopped"
        if not self._loaded.is_set():
            return "loading"
        code = self._process.poll()
        if code is None and not self.reason:
            return "ready"
        self.reason = self.reason or f"The embedded model's process ended unexpectedly ({_ended(code)})."
        return "failed"

    @property
    def worth_another_try(self) -> bool:
        """Did it fail for what may be different now: it died after it was loaded, or memory was short?"""
        return self.state == "failed" and (bool(self.base_url) or self._process is None)

    def start(self) -> None:
        """Start loading in the background; does nothing while it is loading or ready.

        A model for which there is not enough memory now is "failed" at once; nothing is loaded.
        """
        with self._lock:
            if self.state in ("loading", "ready"):
                return
            self._end()
            self.base_url, self.api_key = "", secrets.token_urlsafe(24)
            context = fitting_context(self.weights, self.options.context, self.options.slots, free_memory())
            self.reason = _part_missing(self.weights) or ("" if context else too_big(self.weights))
            if self.reason:
                self._loaded.set()
                return
            self._loaded = threading.Event()
            self._process = self._spawn(context)
            atexit.register(self.stop)
            threading.Thread(
                target=self._follow, args=(self._process, self._loaded), name="model-loading", daemon=True
            ).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds until loading has ended; True when the model is ready."""
        self._loaded.wait(timeout)
        return self.state == "ready"

    def stop(self) -> None:
        """End the process and free its memory; returns when it is gone. Safe to call twice."""
        with self._lock:
            self._end()
            self.reason = ""
        atexit.unregister(self.stop)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError, ValueError):
                stream and stream.close()

    def _spawn(self, context: int) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-m", "app.embedded"], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe,
            text=True, encoding="utf-8", errors="replace", start_new_session=True, env={**os.environ, **YIELDING},
        )  # fmt: skip
        # The key goes through the pipe: a command line can be read by every user of the machine.
        options = asdict(replace(self.options, context=context))
        order = {"weights": str(self.weights.absolute()), "api_key": self.api_key, **options}
        assert process.stdin
        with suppress(OSError):
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        return process

    def _follow(self, process: "subprocess.Popen[str]", loaded: threading.Event) -> None:
        """Read what the child says: one line of JSON when loaded; its errors only while loading."""
        errors: deque[str] = deque(maxlen=20)
        assert process.stdout and process.stderr
        drain = threading.Thread(target=_collect, args=(process.stderr, errors), daemon=True)
        drain.start()
        line = ""
        with suppress(OSError, ValueError):
            line = process.stdout.readline()
        if line:
            self.base_url = json.loads(line)["url"] + "/v1"
        elif process is self._process:
            code = process.wait()
            drain.join(5)
            distrust(self.weights)
            self.reason = _load_failure(self.weights, code, list(errors))
        loaded.set()


def _collect(stream: "object", errors: "deque[str]") -> None:
    with suppress(OSError, ValueError):
        for line in stream:  # type: ignore[attr-defined]
            errors.append(line.strip())


def _part_missing(weights: Path) -> str:
    """One line when a model in several files is not whole, "" when it is."""
    of_all = parts(weights)
    missing = [part.name for part in of_all if not part.is_file()]
    if len(of_all) == 1 or not (missing or weights != of_all[0]):
        return ""
    lacks = f"; {', '.join(missing)} missing there" if missing else ""
    return (
        f"The model {weights} is one of {len(of_all)} parts{lacks}: put all of them into one folder "
        f"and set CHAT_MODEL to the first, {of_all[0]}."
    )


def _ended(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "killed, most often for want of memory; choose a smaller model with CHAT_MODEL"
    return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"


def _load_failure(weights: Path, code: int, errors: list[str]) -> str:
    """One line: what happened and the mend."""
    if not weights.is_file():
        return f"The model file {weights} is missing. Run `make install`, or set CHAT_MODEL to a GGUF file."
    if any("No module named" in e for e in errors):
        return "The package xllamacpp, which runs the embedded model, is not installed. Run `make install`."
    marker = "error loading model: "
    why = next((e.split(marker, 1)[1] for e in errors if marker in e), "") or _ended(code)
    return (
        f"The model file {weights} could not be loaded ({why}). "
        "Delete it and run `make install`, or set CHAT_MODEL to another GGUF file."
    )


def physical_cores(share: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores that this process may use, hyper-threads counted once where Linux tells; at least 1.

    No more than a container's share of the processor, in microseconds of a period ("200000 100000", Linux,
    cgroup-v2): threads beyond it would wait for each other.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = set()
    for cpu in allowed:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(topology.read_text().strip() if topology.is_file() else str(cpu))
    with suppress(OSError, ValueError):  # "max 100000" where there is no share
        used, period = map(int, share.read_text("ascii").split())
        return max(1, min(len(cores), -(-used // period)))
    return max(1, len(cores))


def _serve(order: dict[str, Any]) -> None:
    """The child: load, say the URL, serve until standard input closes."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = order["weights"]
    params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MMAP
    params.n_ctx, params.n_parallel, params.kv_unified = order["context"], order["slots"], True
    params.n_batch = params.n_ubatch = order["batch"]
    params.cont_batching, params.cache_prompt, params.ctx_shift = True, True, False
    params.cache_ram_mib = order["prompt_cache_mib"]
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = order["threads"] or physical_cores()
        cpu.poll = 0
    # Thinking costs a small model's whole token budget; its template switches it off where it can.
    params.enable_reasoning = 0
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys, params.cors_origins, params.cors_credentials = [order["api_key"]], "null", False
    params.ui = params.endpoint_slots = params.endpoint_metrics = params.endpoint_props = False
    params.offline = True
    params.verbosity = 1  # errors alone: no request, so no prompt, is ever logged
    server = xllamacpp.Server(params)
    print(json.dumps({"url": server.listening_address}), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _serve(json.loads(sys.stdin.readline()))
