"""Many users at once through the real app: errors, mixed-up sessions, waiting times, fairness, memory.

    python -m bench.load --users 20 --minutes 10

The app runs as a process of its own; the model is a scripted one on loopback, so that the figures are
the app's. Half of the users ask through the page's queue, half at /v1. Each question carries a code
that the model repeats: it must come back to the one who asked, and to no one else.
"""

import argparse
import json
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench.report import ROOT, Table, write
from ingest.settings import load_settings
from ingest.sync import sync
from tests.app_kit import App, Page, running
from tests.servers.obedient import ObedientServer

QUESTION = "How many special economic zones is North Korea developing? My code is {code}."
CODE = re.compile(r"code-[0-9a-f]{12}")
PIECE_SECONDS = 0.02  # a model of 50 pieces a second
RSS_EVERY = 2.0  # seconds


def say(question: str, prompt: str) -> Iterator[str]:
    """What the model writes: the answer, and the code of the question."""
    found = CODE.search(question)
    answer = f"North Korea is developing 13 special economic zones [1]. The code is {found[0] if found else 'missing'}."
    for piece in re.findall(r"\s*\S+", answer):
        time.sleep(PIECE_SECONDS)
        yield piece


@dataclass
class Seen:
    """What the users saw, in milliseconds; `mixed` are answers with another's code, or without one's own."""

    retrieve: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    rss: list[int] = field(default_factory=list)


def load(app: App, users: int, seconds: float) -> dict[str, Any]:
    """Let `users` ask one question after another for `seconds`; the figures."""
    seen, end = Seen(), time.monotonic() + seconds
    threads = [threading.Thread(target=_user, args=(app, number, end, seen)) for number in range(users)]
    threads.append(threading.Thread(target=_memory, args=(app.process.pid, end, seen)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return figures(seen, users, seconds)


def figures(seen: Seen, users: int, seconds: float) -> dict[str, Any]:
    """The counts and percentiles of what was seen."""
    asked = [seen.answers.get(number, 0) for number in range(users)]
    tenth = max(1, len(seen.rss) // 10)
    # The first fifth warms caches; after it, memory must stay.
    early, late = seen.rss[2 * tenth : 3 * tenth], seen.rss[-tenth:]
    growth = np.mean(late) / np.mean(early) - 1 if early and late else None
    return {
        "users": users,
        "seconds": seconds,
        "answers": sum(asked),
        "fewest_of_a_user": min(asked),
        "most_of_a_user": max(asked),
        "errors": len(seen.errors),
        "first_errors": seen.errors[:5],
        "mixed": len(seen.mixed),
        "retrieve_p50_ms": _percentile(seen.retrieve, 50),
        "retrieve_p95_ms": _percentile(seen.retrieve, 95),
        "first_token_p95_ms": _percentile(seen.first, 95),
        "total_p95_ms": _percentile(seen.total, 95),
        "rss_mb": [round(one / 2**20) for one in (seen.rss or [0])][:: max(1, len(seen.rss) // 20)],
        "rss_growth": None if growth is None else round(float(growth), 4),
    }


def _user(app: App, number: int, end: float, seen: Seen) -> None:
    ask = _by_page if number % 2 else _by_door
    with httpx.Client(base_url=app.url, trust_env=False, timeout=300) as client:
        while time.monotonic() < end:
            code = f"code-{secrets.token_hex(6)}"
            started = time.monotonic()
            try:
                told, timings = ask(client, QUESTION.format(code=code))
            except Exception as error:  # noqa: BLE001 - every fault is counted, whatever it is
                seen.errors.append(f"{type(error).__name__}: {error}"[:200])
                continue
            seen.total.append(1000 * (time.monotonic() - started))
            seen.retrieve.append(timings["retrieve_ms"])
            seen.first.append(timings["first_token_ms"] or 0.0)
            seen.answers[number] = seen.answers.get(number, 0) + 1
            if set(CODE.findall(told)) != {code}:
                seen.mixed.append(told[:200])


def _by_page(client: httpx.Client, question: str) -> tuple[str, dict[str, Any]]:
    told = Page.open(client).ask(question)
    if told["phase"] != "done":
        raise RuntimeError(told["error"])
    return json.dumps(told), told["end"]["json"]["timings"]


def _by_door(client: httpx.Client, question: str) -> tuple[str, dict[str, Any]]:
    reply = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": question}]})
    reply.raise_for_status()
    return reply.text, reply.json()["answer"]["timings"]


def _memory(pid: int, end: float, seen: Seen) -> None:
    status = Path(f"/proc/{pid}/status")
    while time.monotonic() < end and status.exists():
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
        seen.rss.append(int(found[1]) * 1024 if found else 0)
        time.sleep(RSS_EVERY)


def _percentile(values: list[float], percent: int) -> float | None:
    return round(float(np.percentile(values, percent)), 1) if values else None


def main() -> None:
    """Run it on a copy of the seed article, print the table, write bench/results/load.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ObedientServer(say) as model:
        places = {"CORPUS_DIR": str(ROOT / "corpus"), "INDEX_DIR": f"{folder}/index"}
        sync(load_settings(places, dotenv=Path("no.env")))
        with running(Path(folder), OPENAI_BASE_URL=model.url, **places) as app:
            found = load(app, options.users, 60 * options.minutes)
    rows = [(name.replace("_", " "), str(value)) for name, value in found.items()]
    write("load", found, [Table("Load", ("what", "seen"), rows)])


if __name__ == "__main__":
    main()
