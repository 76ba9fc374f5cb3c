"""What the tests of the whole app share: `python -m app` as a process on loopback, and its page's own protocol."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ingest.settings import ROOT, Settings


@dataclass
class App:
    """A running app. `log` is the file of all that it writes, `folder` holds its corpus and index."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    folder: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=60)

    def config(self) -> dict[str, Any]:
        return self.client.get("/config").json()

    def log_in(self, user: str, password: str) -> httpx.Client:
        """A browser of its own with that user's cookie."""
        client = httpx.Client(base_url=self.url, trust_env=False, timeout=60)
        reply = client.post("/login", data={"user": user, "password": password})
        assert reply.status_code == 303, reply.text
        return client


def seeded(settings: Settings, folder: Path) -> dict[str, str]:
    """The variables of a copy of an indexed corpus, to be written to."""
    shutil.copytree(settings.corpus_dir, folder / "corpus")
    shutil.copytree(settings.index_dir, folder / "index", ignore=shutil.ignore_patterns("reading-*", "*.lock"))
    return {"CORPUS_DIR": str(folder / "corpus"), "INDEX_DIR": str(folder / "index")}


@contextmanager
def running(folder: Path, *arguments: str, wrap: tuple[str, ...] = (), **variables: str) -> Iterator[App]:
    """`python -m app` on a free port, started as a user starts it; ended with all its children."""
    log = folder / "app.log"
    environ = os.environ | {"PYTHONUNBUFFERED": "1"} | variables
    command = [*wrap, sys.executable, "-m", "app", "--port", "0", *arguments]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=environ, cwd=ROOT, stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        app = App(_address(process, log), process, log, folder)
        with app.client:
            yield app
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + 200
    while time.monotonic() < end:
        if found := re.search(r"open on (http://\S+)", log.read_text("utf-8")):
            return found[1]
        assert process.poll() is None, log.read_text("utf-8")
        time.sleep(0.05)
    raise AssertionError(f"not open after 200 seconds: {log.read_text('utf-8')}")


@dataclass(frozen=True)
class Page:
    """The page's own protocol, spoken as Gradio's client speaks it."""

    client: httpx.Client
    session: str
    events: dict[str, int]
    frame: int

    @classmethod
    def open(cls, client: httpx.Client, session: str | None = None) -> "Page":
        config = client.get("/config").json()
        events = {one["targets"][0][1]: one["id"] for one in config["dependencies"] if one["targets"]}
        frame = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "frame")
        return cls(client, session or secrets.token_hex(6), events, frame)

    def join(self, event: str, value: dict[str, Any]) -> httpx.Response:
        """Put an event into the queue."""
        body = {
            "data": [],
            "event_data": value,
            "fn_index": self.events[event],
            "session_hash": self.session,
            "trigger_id": None,
        }
        return self.client.post("/gradio_api/queue/join", json=body)

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the session's stream brings, until it closes."""
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as reply:
            assert reply.status_code == 200, reply.read()
            for line in reply.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:])

    def ask(self, question: str, **more: Any) -> dict[str, Any]:
        """Ask as the page does; the last message of the answer."""
        joined = self.join("ask", {"turn": "t1", "question": question, "history": [], "documents": None, **more})
        assert joined.status_code == 200, joined.text
        return self.outcome(joined.json()["event_id"])

    def change(self, **wanted: Any) -> dict[str, Any]:
        """Add or remove sources as the page does."""
        joined = self.join("alter", wanted)
        assert joined.status_code == 200, joined.text
        return self.outcome(joined.json()["event_id"])

    def outcome(self, event_id: str) -> dict[str, Any]:
        """The last value of an event; others of the session are passed over."""
        value: Any = None
        for message in self.messages():
            if message.get("event_id") == event_id and message["msg"] in ("process_generating", "process_completed"):
                assert message["success"], message
                data = message["output"].get("data")
                value = _changed(value, data[0]) if data else value
        assert isinstance(value, dict)
        return value

    def call(self, function: str, value: Any = None) -> httpx.Response:
        """Call one of the page's server functions."""
        body = {"component_id": self.frame, "fn_name": function, "session_hash": self.session, "data": value}
        return self.client.post("/gradio_api/component_server", json=body)


def _changed(before: Any, sent: Any) -> Any:
    """Gradio sends the first value whole, then the differences to the value before."""
    if not (isinstance(sent, list) and all(isinstance(one, list) and len(one) == 3 for one in sent)):
        return sent
    for action, path, value in sent:
        before = _applied(before, action, path, value)
    return before


def _applied(target: Any, action: str, path: list[Any], value: Any) -> Any:
    if not path:
        return target + value if action == "append" else value
    place, *rest = path
    if not rest and action == "delete":
        del target[place]
    elif not rest and action == "add":
        target.insert(place, value) if isinstance(target, list) else target.__setitem__(place, value)
    else:
        target[place] = _applied(target[place], action, rest, value)
    return target
