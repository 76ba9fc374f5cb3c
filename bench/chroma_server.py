"""A Chroma server of one's own on loopback, from the chromadb package, for as long as a block runs."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """Where it listens, and its process."""

    url: str
    process_id: int


@contextmanager
def chroma_server(folder: Path, patience: float = 180) -> Iterator[Server]:
    """Serve `folder` until the block ends. Raises `RuntimeError` when it does not answer in time."""
    command = shutil.which("chroma", path=str(Path(sys.executable).parent)) or "chroma"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [command, "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/api/v2/heartbeat", process, time.monotonic() + patience)
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", until: float) -> None:
    while not _answers(url):
        if time.monotonic() > until or process.poll() is not None:
            raise RuntimeError("The Chroma server did not start.")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True
