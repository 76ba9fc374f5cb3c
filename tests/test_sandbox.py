"""The child process that parses: limits hold, trouble costs one file, the environment stays outside."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ingest.readers import ReadError
from ingest.sandbox import Sandbox
from ingest.settings import SOURCE_BYTES

PAGE = b"<html><title>A title</title><body><p>" + b"Some words of text. " * 30 + b"</p></body></html>"
IN_CHILD = """
import sys
from ingest import sandbox_child
from ingest.readers import build
def trouble(request, data):
    import os, time
    exec(data.decode())
    raise build.ReadError("survived")
sandbox_child._do_read = trouble
sandbox_child._serve(__import__("json").loads(sys.argv[1]))
"""


@pytest.fixture
def troubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children that run the bytes they are sent as Python, which is what a conquered parser could do."""
    start = subprocess.Popen

    def popen(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        return start([sys.executable, "-c", IN_CHILD, command[-1]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", popen)


def test_a_document_comes_back_whole() -> None:
    with Sandbox() as sandbox:
        document, kind = sandbox.read(PAGE, "page.html", "https://site.example/a")
    assert kind == "html"
    assert document.metadata.title == "A title"
    assert document.metadata.url == "https://site.example/a"
    assert document.text == ("Some words of text. " * 30).strip()


def test_a_long_text_of_any_script_comes_back_whole() -> None:
    text = "漢字" * 5_000_000  # 30 MB in a file; 60 if each character were escaped on the way
    with Sandbox() as sandbox:
        assert sandbox.read(text.encode(), "a.txt")[0].text == text
        with pytest.raises(ReadError, match="more than 50 MB of text"):
            sandbox.read(("漢字" * 8_400_000).encode("utf-16"), "b.txt")


def test_a_worker_is_reused() -> None:
    with Sandbox() as sandbox:
        sandbox.read(PAGE, "a.html")
        first = sandbox._idle.queue[0]
        sandbox.read(PAGE, "b.html")
        assert first is not None
        assert sandbox._idle.queue[0] is first
        assert first.files == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.usefixtures("troubled")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.kill(os.getpid(), 11)", r"crashed on it \(signal 11\)"),
        ("os._exit(3)", r"crashed on it \(exit 3\)"),
        ("while True: pass", "seconds of computing"),
        ("time.sleep(60)", "took more than 4 seconds"),
        ("x = b'x' * (2 << 30)", "too much memory"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "PermissionError"),
        ("os.system('true')", "PermissionError"),
        ("import subprocess; subprocess.run(['true'])", "PermissionError"),
        ("(lambda f: f(f))(lambda f: f(f))", "too deeply"),
        ("print('{}' * 1000)", "survived"),
        ("raise build.ReadError('SECRET_KEY' in os.environ)", "False"),
    ],
)
def test_trouble_costs_one_file(code: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "sesame")
    # A busy machine gives a second of computing late, so only the sleeper's clock is short.
    with Sandbox(cpu_seconds=1, wall_seconds=4 if "sleep" in code else 60) as sandbox:
        with pytest.raises(ReadError, match=reason):
            sandbox.read(code.encode(), "a.html")
        with pytest.raises(ReadError, match="survived"):
            sandbox.read(b"pass", "b.html")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.usefixtures("troubled")
def test_a_child_cannot_fill_the_disk(tmp_path: Path) -> None:
    target = tmp_path / "big"
    with Sandbox() as sandbox, pytest.raises(ReadError, match=r"OSError|signal 25"):
        sandbox.read(f"open({str(target)!r}, 'wb').write(b'x' * (64 << 20))".encode(), "a.html")
    assert not target.exists() or target.stat().st_size <= 16 << 20


def test_a_killed_child_is_replaced() -> None:
    with Sandbox() as sandbox:
        sandbox.read(PAGE, "a.html")
        worker = sandbox._idle.queue[0]
        assert worker is not None
        os.kill(worker._process.pid, signal.SIGTERM)
        worker._process.wait()
        assert sandbox.read(PAGE, "b.html")[1] == "html"


def test_children_end_with_the_sandbox() -> None:
    with Sandbox(workers=2) as sandbox:
        threads = [threading.Thread(target=sandbox.read, args=(PAGE, "a.html")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        workers = [w for w in sandbox._idle.queue if w]
        assert 1 <= len(workers) <= 2
    deadline = time.monotonic() + 10
    while any(w.alive for w in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(w.alive for w in workers)


def test_what_is_too_large_is_not_even_sent() -> None:
    with Sandbox() as sandbox, pytest.raises(ReadError, match="larger than 50 MB"):
        sandbox.read(bytes(SOURCE_BYTES + 1), "a.html")
    assert not any(sandbox._idle.queue)


@pytest.mark.usefixtures("troubled")
def test_what_is_read_when_the_sandbox_closes_is_said_to_be_stopped(tmp_path: Path) -> None:
    reasons: list[str] = []

    def read(sandbox: Sandbox, code: str) -> None:
        try:
            sandbox.read(code.encode(), "a.html")
        except ReadError as error:
            reasons.append(str(error))

    begun = tmp_path / "begun"
    with Sandbox() as sandbox:
        thread = threading.Thread(target=read, args=(sandbox, f"open({str(begun)!r}, 'w').close(); time.sleep(50)"))
        thread.start()
        while not begun.exists():
            thread.join(0.02)
            assert thread.is_alive()
    thread.join(30)
    assert reasons == ["reading it was stopped; nothing is wrong with it"]
    read(sandbox, "pass")
    assert reasons[1:] == reasons[:1], "no child is started any more"
