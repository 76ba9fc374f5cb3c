"""Many users at once through the real app: errors, mixed-up sessions, waiting times, fairness, memory.

    python -m bench.load                          # 1, 5, 20 and 50 users: 20 for ten minutes, the others for one
    python -m bench.load --users 20 --minutes 2

The app runs as a process of its own for each number of users; the model is a scripted one on loopback, so
that the figures are the app's. Every second user asks in a page, the others at /v1. Each question carries a
code that the model repeats: it must come back to the one who asked, and to no one else. Who is told at /v1
that too many ask waits a second and asks again, as clients of that protocol do; that is counted as refused.
"""

import argparse
import json
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
Ask = Callable[[str], tuple[str, dict[str, Any]]]  # a question -> what was told, and its times
NOTE = (
    "The scripted model writes 50 words a second. Times are the app's own but for the whole answer, which the user "
    "measures, waiting included."
)
CODE = re.compile(r"code-[0-9a-f]{12}")
PIECE_SECONDS = 0.02  # a model of 50 pieces a second
RSS_EVERY = 2.0  # seconds
MINUTES = {1: 1.0, 5: 1.0, 20: 10.0, 50: 1.0}  # of each number of users
TOO_MANY = 429
AGAIN = 1.0  # seconds until one who was refused asks again


def say(question: str, prompt: str) -> Iterator[str]:
    """What the model writes: the answer, and the code of the question."""
    found = CODE.search(question)
    answer = f"North Korea is developing 13 special economic zones [1]. The code is {found[0] if found else 'missing'}."
    for piece in re.findall(r"\s*\S+", answer):
        time.sleep(PIECE_SECONDS)
        yield piece


@dataclass
class Seen:
    """What the users saw, in milliseconds; `mixed` are answers with another's code, or without one's own.

    `answers` counts those of each user, `refused` how often one had to ask again.
    """

    retrieve: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
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
        "of_each_at_v1": _ends(asked[0::2]),
        "of_each_in_the_page": _ends(asked[1::2]),
        "refused": len(seen.refused),
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
    with httpx.Client(base_url=app.url, trust_env=False, timeout=300) as client:
        ask = _by_page(Page.open(client)) if number % 2 else _by_door(client, lambda: seen.refused.append(number))
        while time.monotonic() < end:
            code = f"code-{secrets.token_hex(6)}"
            started = time.monotonic()
            try:
                told, timings = ask(QUESTION.format(code=code))
            except Exception as error:  # noqa: BLE001 - every fault is counted, whatever it is
                seen.errors.append(f"{type(error).__name__}: {error}"[:200])
                continue
            seen.total.append(1000 * (time.monotonic() - started))
            seen.retrieve.append(timings["retrieve_ms"])
            seen.first.append(timings["first_token_ms"] or 0.0)
            seen.answers[number] = seen.answers.get(number, 0) + 1
            if set(CODE.findall(told)) != {code}:
                seen.mixed.append(told[:200])


def _by_page(page: Page) -> Ask:
    """Asks in a page that stays open."""

    def ask(question: str) -> tuple[str, dict[str, Any]]:
        told = page.ask(question)
        if told["phase"] != "done":
            raise RuntimeError(told["error"])
        return json.dumps(told), told["end"]["json"]["timings"]

    return ask


def _by_door(client: httpx.Client, refused: Callable[[], None]) -> Ask:
    """Asks at /v1, again where too many do."""

    def ask(question: str) -> tuple[str, dict[str, Any]]:
        asked = {"messages": [{"role": "user", "content": question}]}
        while (reply := client.post("/v1/chat/completions", json=asked)).status_code == TOO_MANY:
            refused()
            time.sleep(AGAIN)
        reply.raise_for_status()
        return reply.text, reply.json()["answer"]["timings"]

    return ask


def _memory(pid: int, end: float, seen: Seen) -> None:
    status = Path(f"/proc/{pid}/status")
    while time.monotonic() < end and status.exists():
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
        seen.rss.append(int(found[1]) * 1024 if found else 0)
        time.sleep(RSS_EVERY)


def _percentile(values: list[float], percent: int) -> float | None:
    return round(float(np.percentile(values, percent)), 1) if values else None


def _ends(asked: list[int]) -> tuple[int, int] | None:
    return (min(asked), max(asked)) if asked else None


def table(runs: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each number of users."""
    rows = []
    for found in runs:
        times = (found[name] for name in ("retrieve_p95_ms", "first_token_p95_ms", "total_p95_ms"))
        ends = (found[name] for name in ("of_each_in_the_page", "of_each_at_v1"))
        rss, growth = found["rss_mb"], found["rss_growth"]
        rows.append(
            (
                str(found["users"]),
                f"{found['seconds'] / 60:g} min",
                *(str(found[name]) for name in ("answers", "errors", "mixed", "refused")),
                *("-" if one is None else f"{one:,.0f}" for one in times),
                *("-" if one is None else f"{one[0]} to {one[1]}" for one in ends),
                f"{rss[-1]} MB" + ("" if growth is None else f", {100 * growth:+.1f} %"),
            )
        )
    header = (
        "users", "time", "answers", "errors", "mixed up", "refused", "retrieve, p95 ms", "first token", "whole answer",
        "answers of each in the page", "at /v1", "memory at the end, since the first fifth",
    )  # fmt: skip
    return Table("Many users at once", header, rows, NOTE)


def main() -> None:
    """Run them on a copy of the seed article, one after another, and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=list(MINUTES))
    parser.add_argument("--minutes", type=float, help="for each number of users (default: 10 for 20, else 1)")
    options = parser.parse_args()
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, ObedientServer(say) as model:
        places = {"CORPUS_DIR": str(ROOT / "corpus"), "INDEX_DIR": f"{folder}/index"}
        sync(load_settings(places, dotenv=Path("no.env")))
        for users in options.users:
            with running(Path(folder), OPENAI_BASE_URL=model.url, **places) as app:
                runs.append(load(app, users, 60 * (options.minutes or MINUTES.get(users, 1.0))))
            write("load", {"runs": runs}, [table(runs)])


if __name__ == "__main__":
    main()
