"""A second OpenAI-compatible server that is not ours and not llama.cpp: dasllama-server, from its package.

It has no grammar, no log-probabilities and no /props: what an endpoint is that knows only the protocol.
"""

import importlib.util
import os
import socket
import subprocess
import time
from pathlib import Path

import httpx


class SecondServer:
    """A context manager that serves one GGUF file on loopback; `url` ends in /v1, `model` is its name there."""

    def __init__(self, weights, folder):
        self.model, self._folder = weights.name, folder
        self._linked = folder / weights.name
        self._linked.symlink_to(weights)  # it writes files of its own beside the one that it is given
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self):
        spec = importlib.util.find_spec("dasllama")
        assert spec and spec.origin, "the package dasllama is missing: make test installs it"
        program = next(Path(spec.origin).parent.glob("_sdk/dasllama-server*"))
        command = [program, "-m", self._linked, "-p", self._port, "--host", "127.0.0.1"]
        command += ["--ctx", 4096, "-s", 1, "-t", os.cpu_count() or 1, "--gpu", "off"]
        self._process = subprocess.Popen(
            [str(word) for word in command],
            cwd=self._folder,
            env=os.environ | {"HOME": str(self._folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 200
        while time.monotonic() < end and self._process.poll() is None:
            if self._answers():
                return self
            time.sleep(0.2)
        self.__exit__()
        raise AssertionError("dasllama-server did not start")

    def _answers(self):
        try:
            return bool(httpx.get(f"{self.url}/models", trust_env=False, timeout=5).json()["data"])
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
