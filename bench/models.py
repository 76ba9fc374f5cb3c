"""The embedded model through the app, beside the same model asked directly.

    python -m bench.models

How much later the first word comes than from the model alone on the same prompt; how much sooner in the
second turn of a conversation; whether four users at once all finish; how soon a cancelled question makes
room for another. All in one run, over the article in corpus/, with the model that CHAT_MODEL names.
"""

import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import httpx

from app import confirm, prompt
from app.answer import Answer, Finished, Retrieved, Turn
from app.ask import Road
from app.check import Checker
from app.embedded import EmbeddedServer, ServerOptions
from app.endpoint import Endpoint
from app.evidence import select_evidence
from app.followup import opening
from app.model import LOCAL_LIMITS, ChatModel
from app.models import Models
from app.probe import packaged_probe
from app.relevance import Query, embed_cached
from app.retrieve import retrieve
from app.weights import chosen_model
from bench.report import ROOT, Table, write
from ingest.settings import Settings, load_settings
from ingest.store import Store
from ingest.sync import sync

USERS = 4
CANCELS = 4
ENDLESS = "root ::= [a-z ] root"  # never lets the model end
# Two turns about the same sentences: the second is what a reader asks next.
CONVERSATIONS = (
    ("Which countries will the delegation see?", "And which two are new?"),
    ("How much food does North Korea produce?", "Since when has it not been that high?"),
    ("How much does North Korea owe Russia?", "How much of the debt was written off?"),
    ("Who is Geoffrey See?", "With whom does he work in particular?"),
)


@dataclass(frozen=True)
class First:
    """The first word of a reply: after how many milliseconds, and what the server had to read for it."""

    after_ms: float
    read_tokens: int
    known_tokens: int


@contextmanager
def served(settings: Settings, options: ServerOptions = ServerOptions()) -> Iterator[EmbeddedServer]:  # noqa: B008
    """The embedded server, freshly started: nothing is in its cache."""
    server = EmbeddedServer(chosen_model(settings).path(settings), options)
    server.start()
    if not server.wait(240):
        raise SystemExit(server.reason or "The model was not loaded within 240 seconds.")
    try:
        yield server
    finally:
        server.stop()


def bare(server: EmbeddedServer, messages: Sequence[dict[str, str]], **more: Any) -> First:
    """Ask the server itself, by nothing but HTTP, and let it write to the end."""
    body = {"model": "any", "messages": list(messages), "stream": True, "temperature": 0, **more}
    headers = {"authorization": f"Bearer {server.api_key}"}
    begun, after = perf_counter(), None
    timings: dict[str, Any] = {}
    with (
        httpx.Client(trust_env=False, timeout=600) as client,
        client.stream("POST", f"{server.base_url}/chat/completions", json=body, headers=headers) as reply,
    ):
        reply.raise_for_status()
        for line in reply.iter_lines():
            chunk = json.loads(line[6:]) if line.startswith("data: {") else {}
            if after is None and any(choice["delta"].get("content") for choice in chunk.get("choices", ())):
                after = 1000 * (perf_counter() - begun)
            timings = chunk.get("timings", timings)
    if after is None:  # it ended at once
        after = 1000 * (perf_counter() - begun)
    return First(after, timings["prompt_n"], timings["cache_n"])


@contextmanager
def opened(server: EmbeddedServer, store: Store) -> Iterator[Road]:
    """The road of a question on a server that is there; what requests begin with is read, as at the app's start."""
    model = ChatModel(Endpoint(server.base_url, "embedded"), server.api_key, None, LOCAL_LIMITS)
    model.capabilities()  # of the app's own server they are known
    model.believed, model.probe = True, packaged_probe()
    for beginning in (prompt.talk(), confirm.beginning(), opening()):
        bare(server, beginning, max_tokens=1)
    try:
        yield Road(store, Models({"embedded": model}), Checker(partial(embed_cached, store.embedder)))
    finally:
        model.close()


@dataclass(frozen=True)
class Turned:
    """One turn: the answer, and milliseconds to its first word (None: it was not let).

    `bare_ms`: to the first word of a second server's model, asked the same right after.
    """

    answer: Answer
    from_evidence_ms: float | None
    bare_ms: float = 0.0

    @property
    def from_question_ms(self) -> float | None:
        """The same from the question, with the search and the rewriting of a follow-up."""
        return self.answer.timings.first_token_ms


def ask(road: Road, question: str, history: Sequence[Turn] = (), beside: EmbeddedServer | None = None) -> Turned:
    """Ask to the end, then the model alone, which is `beside`."""
    begun, known, asked, answer = perf_counter(), 0.0, [], None
    for event in road.ask(question, history):
        if isinstance(event, Retrieved):
            known, asked = 1000 * (perf_counter() - begun), prompt.messages(event.query, event.evidence)
        if isinstance(event, Finished):
            answer = event.answer
    assert answer
    first = answer.timings.first_token_ms
    alone = bare(beside, asked, max_tokens=prompt.ANSWER_TOKENS).after_ms if beside else 0.0
    return Turned(answer, None if first is None else first - known, alone)


def conversations(road: Road, beside: EmbeddedServer) -> list[tuple[Turned, Turned]]:
    """Each of CONVERSATIONS, one after the other; both servers have the same in their caches each time."""
    for beginning in (prompt.talk(), confirm.beginning(), opening()):
        bare(beside, beginning, max_tokens=1)
    rows = []
    for first, second in CONVERSATIONS:
        before = ask(road, first, (), beside)
        rows.append((before, ask(road, second, [Turn(first, _said(before.answer))], beside)))
    return rows


def beside_bare(rows: Sequence[tuple[Turned, Turned]]) -> dict[str, Any]:
    """First words through the app beside those of the model alone, question by question."""
    turns = [turn for row in rows for turn in row]
    pairs = [(turn.from_evidence_ms, turn.bare_ms) for turn in turns if turn.from_evidence_ms is not None]
    return {
        "questions": len(pairs),
        "ours_ms": [round(ours) for ours, _ in pairs],
        "bare_ms": [round(alone) for _, alone in pairs],
        "later_ms": round(median(ours - alone for ours, alone in pairs)),
    }


def second_turns(rows: Sequence[tuple[Turned, Turned]]) -> dict[str, Any]:
    """The first word of the second turn beside that of the first."""
    found: dict[str, Any] = {"answers": [turn.answer.sentences and _said(turn.answer) for _, turn in rows]}
    for name in ("from_evidence_ms", "from_question_ms"):
        kept = [(getattr(one, name), getattr(two, name)) for one, two in rows]
        kept = [(one, two) for one, two in kept if one and two]
        found[name] = [(round(one), round(two)) for one, two in kept]
        found[name.replace("_ms", "_ratio")] = round(median(two / one for one, two in kept), 2)
    return found


def users_at_once(road: Road) -> dict[str, Any]:
    """Four questions at the same moment."""
    asked = [question for question, _ in CONVERSATIONS][:USERS]
    together: list[Turned] = []
    threads = [threading.Thread(target=lambda text: together.append(ask(road, text)), args=(one,)) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "users": len(threads),
        "finished": sum(bool(turn.answer.sentences) and not turn.answer.notice for turn in together),
        "declined": sum(turn.answer.abstained for turn in together),
        "total_s": sorted(round(turn.answer.timings.total_ms / 1000, 1) for turn in together),
    }


def _said(answer: Answer) -> str:
    return " ".join(sentence.text for sentence in answer.sentences)


def cancels(settings: Settings, store: Store) -> dict[str, Any]:
    """On a server with one place: from the cancel of who holds it to the first word of who waits for it.

    That word costs the reading of a question of one line, which is told beside it.
    """
    evidence = select_evidence(
        Query.read(store, "What is said?"), retrieve(store, "What is North Korea developing?", k=8)
    )
    long = [{"role": "user", "content": " ".join(item.span.text for item in evidence)}]
    short = [{"role": "user", "content": "Say hello."}]
    writing: list[float] = []
    reading: list[float] = []
    idle: list[float] = []
    with served(settings, ServerOptions(slots=1)) as server:
        model = ChatModel(Endpoint(server.base_url, "embedded"), server.api_key, None, LOCAL_LIMITS)
        try:
            for number in range(CANCELS):
                idle.append(bare(server, short, max_tokens=1).after_ms)
                salted = [{"role": "user", "content": f"{number}. {long[0]['content']}"}]
                for kept, asked, wait in ((writing, short, True), (reading, salted, False)):
                    kept.append(_freed(server, model, asked, short, wait))
        finally:
            model.close()
    return {
        "times": CANCELS,
        "idle_ms": round(median(idle)),
        "while_writing_ms": [round(one) for one in writing],
        "while_reading_ms": [round(one) for one in reading],
    }


def _freed(
    server: EmbeddedServer, model: ChatModel, asked: list[dict[str, str]], short: list[dict[str, str]], written: bool
) -> float:
    """Milliseconds from the cancel to the waiting one's first word; `written`: cancelled after its first words."""
    cancelled, begun, found = threading.Event(), threading.Event(), []

    def holder() -> None:
        for number, _ in enumerate(model.stream(asked, max_tokens=4000, grammar=ENDLESS, cancelled=cancelled)):
            if number == 5:
                begun.set()

    def waiter() -> None:
        bare(server, short, max_tokens=1)
        found.append(perf_counter())

    threads = [threading.Thread(target=holder), threading.Thread(target=waiter)]
    threads[0].start()
    begun.wait(None if written else 0.5)
    threads[1].start()
    threading.Event().wait(0.3)  # until the waiter is in the queue
    at = perf_counter()
    cancelled.set()
    for thread in threads:
        thread.join()
    return 1000 * (found[0] - at)


def main() -> None:
    """Measure all, print the tables, write bench/results/models.json."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"CORPUS_DIR": str(ROOT / "corpus"), "INDEX_DIR": f"{folder}/index"}
        settings = load_settings(places, dotenv=Path("no.env"))
        sync(settings)
        store = Store.open(settings)
        with served(settings) as server, opened(server, store) as road:
            with served(settings) as beside:
                rows = conversations(road, beside)
            many = users_at_once(road)
        found = {"model": chosen_model(settings).name, "beside_bare": beside_bare(rows)}
        found |= {"second_turn": second_turns(rows), "users_at_once": many, "cancel": cancels(settings, store)}
        store.close()
    write("models", found, tables(found))


def tables(found: dict[str, Any]) -> list[Table]:
    """The figures for people, each with its target."""
    first, second = found["beside_bare"], found["second_turn"]
    many, cancel = found["users_at_once"], found["cancel"]
    ours, alone = median(first["ours_ms"]), median(first["bare_ms"])
    pairs = len(second["from_evidence_ms"])
    writing, reading = max(cancel["while_writing_ms"]), max(cancel["while_reading_ms"])
    rows = [
        (
            "first word after the evidence, later than the bare model on the same prompt",
            f"{first['later_ms']} ms ({ours:.0f} beside {alone:.0f}; {first['questions']} prompts)",
            "<= 50 ms",
        ),
        (
            "second turn's first word / first turn's, from the evidence",
            f"{second['from_evidence_ratio']} ({pairs} pairs)",
            "<= 0.5",
        ),
        ("the same from the question, a follow-up's rewriting included", f"{second['from_question_ratio']}", ""),
        (
            f"{many['users']} users at once",
            f"{many['finished']} answered, {many['declined']} declined, after {_listed(many['total_s'])} s",
            "all finish",
        ),
        ("cancel while writing, to the waiting one's first word", f"{writing} ms at most", "< 1000 ms"),
        ("cancel while reading, to the waiting one's first word", f"{reading} ms at most", "< 1000 ms"),
    ]
    note = f"Medians where not said. The waiting one's first word costs {cancel['idle_ms']} ms on an idle server."
    return [Table(f"Models: {found['model']}, embedded", ("what", "seen", "target"), rows, note)]


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(map(str, numbers))


if __name__ == "__main__":
    main()
