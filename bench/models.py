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
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import httpx

from app import prompt
from app.answer import Answer, Finished, Turn
from app.ask import Road
from app.check import Checker
from app.embedded import EmbeddedServer, ServerOptions
from app.endpoint import Endpoint
from app.evaluate import Question, read_questions
from app.evidence import select_evidence
from app.followup import opening
from app.model import EMBEDDED_LIMITS, ChatModel
from app.models import Models
from app.retrieve import retrieve
from app.weights import chosen_model
from bench.report import ROOT, Table, write
from ingest.settings import Settings, load_settings
from ingest.store import Store
from ingest.sync import sync

QUESTIONS = ROOT / "bench" / "questions" / "article_dev.jsonl"
ASKED = 5  # questions of the first comparison
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
    """The road of a question on a server that is there, with what every conversation begins with read."""
    model = ChatModel(Endpoint(server.base_url, "embedded"), server.api_key, None, EMBEDDED_LIMITS)
    for beginning in (prompt.talk(), opening()):  # as the app does at its start
        bare(server, beginning, max_tokens=1)
    try:
        yield Road(store, Models({"embedded": model}), Checker(store.embedder.embed))
    finally:
        model.close()


def ask(road: Road, question: str, history: Sequence[Turn] = ()) -> Answer:
    """The whole answer."""
    *_, last = road.ask(question, history)
    assert isinstance(last, Finished)
    return last.answer


def first_ms(answer: Answer) -> float | None:
    """Milliseconds from the evidence to the model's first word; None when it was not let write."""
    first = answer.timings.first_token_ms
    return None if first is None else first - answer.timings.retrieve_ms


def beside_bare(settings: Settings, store: Store, questions: Sequence[Question]) -> dict[str, Any]:
    """Both in the same order, each on a server that knows the beginning of the conversation and no more."""
    with served(settings) as server, opened(server, store) as road:
        ours = {one.question: first_ms(ask(road, one.question)) for one in questions}
    alone = {}
    with served(settings) as server:
        bare(server, prompt.talk(), max_tokens=1)
        for one in questions:
            evidence = select_evidence(store, one.question, retrieve(store, one.question, k=8))
            alone[one.question] = bare(server, prompt.messages(one.question, evidence), max_tokens=prompt.ANSWER_TOKENS)
    pairs = [(mine, alone[question].after_ms) for question, mine in ours.items() if mine is not None]
    return {
        "questions": len(pairs),
        "declined": len(ours) - len(pairs),
        "ours_ms": round(median(mine for mine, _ in pairs)),
        "bare_ms": round(median(other for _, other in pairs)),
        "later_ms": round(median(mine - other for mine, other in pairs)),
        "later_ms_each": [round(mine - other) for mine, other in pairs],
    }


def second_turns(settings: Settings, store: Store) -> dict[str, Any]:
    """The first word of the second turn beside that of the first, in conversations about one thing."""
    rows, answers = [], []
    with served(settings) as server, opened(server, store) as road:
        for first, second in CONVERSATIONS:
            before = ask(road, first)
            said = " ".join(sentence.text for sentence in before.sentences)
            after = ask(road, second, [Turn(first, said)])
            rows.append((first_ms(before), first_ms(after)))
            answers.append(" ".join(sentence.text for sentence in after.sentences))
    kept = [(before, after) for before, after in rows if before and after]
    return {
        "conversations": len(kept),
        "first_ms": [round(before) for before, _ in kept],
        "second_ms": [round(after) for _, after in kept],
        "second_answers": answers,
        "ratio": round(median(after / before for before, after in kept), 2) if kept else None,
    }


def users_at_once(settings: Settings, store: Store, questions: Sequence[Question]) -> dict[str, Any]:
    """Four questions at the same moment."""
    together: list[Answer] = []
    with served(settings) as server, opened(server, store) as road:
        threads = [
            threading.Thread(target=lambda text: together.append(ask(road, text)), args=(one.question,))
            for one in questions[:USERS]
        ]
        begun = perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = perf_counter() - begun
    return {
        "users": len(threads),
        "finished": sum(bool(answer.sentences) and not answer.notice for answer in together),
        "declined": sum(answer.abstained for answer in together),
        "first_s": sorted(round((first_ms(answer) or 0) / 1000, 1) for answer in together),
        "total_s": sorted(round(answer.timings.total_ms / 1000, 1) for answer in together),
        "all_s": round(seconds, 1),
    }


def cancels(settings: Settings, store: Store) -> dict[str, Any]:
    """On a server with one place: from the cancel of who holds it to the first word of who waits for it.

    That word costs the reading of a question of one line, which is told beside it.
    """
    evidence = select_evidence(store, "What is said?", retrieve(store, "What is North Korea developing?", k=8))
    long = [{"role": "user", "content": " ".join(item.span.text for item in evidence)}]
    short = [{"role": "user", "content": "Say hello."}]
    writing: list[float] = []
    reading: list[float] = []
    idle: list[float] = []
    with served(settings, ServerOptions(slots=1)) as server:
        model = ChatModel(Endpoint(server.base_url, "embedded"), server.api_key, None, EMBEDDED_LIMITS)
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
        questions = [one for one in read_questions(QUESTIONS) if one.answerable and not one.history][:ASKED]
        found = {
            "model": chosen_model(settings).name,
            "beside_bare": beside_bare(settings, store, questions),
            "second_turn": second_turns(settings, store),
            "users_at_once": users_at_once(settings, store, questions),
            "cancel": cancels(settings, store),
        }
        store.close()
    write("models", found, tables(found))


def tables(found: dict[str, Any]) -> list[Table]:
    """The figures for people, each with its target."""
    first, second = found["beside_bare"], found["second_turn"]
    many, cancel = found["users_at_once"], found["cancel"]
    rows = [
        (
            "first word after the evidence, later than the bare model on the same prompt",
            f"{first['later_ms']} ms ({first['ours_ms']} beside {first['bare_ms']}; {first['questions']} questions)",
            "<= 50 ms",
        ),
        ("second turn's first word / first turn's", f"{second['ratio']} ({second['conversations']} pairs)", "<= 0.5"),
        (
            f"{many['users']} users at once",
            f"{many['finished']} answered, {many['declined']} declined; done after {_listed(many['total_s'])} s",
            "all done",
        ),
        ("cancel while writing, to another's first word", f"{max(cancel['while_writing_ms'])} ms at most", "< 1000 ms"),
        ("cancel while reading, to another's first word", f"{max(cancel['while_reading_ms'])} ms at most", "< 1000 ms"),
    ]
    note = f"Medians where not said. Another's first word costs {cancel['idle_ms']} ms on an idle server."
    return [Table(f"Models: {found['model']}, embedded", ("what", "seen", "target"), rows, note)]


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(map(str, numbers))


if __name__ == "__main__":
    main()
