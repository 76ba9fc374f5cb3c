"""What a real model makes of planted instructions, and what they cost the answers to other questions.

    python -m bench.injection --minutes 10

One library with plants, one without, and nothing else between them. Each case is an article of which a question
is asked whose answer is known; by default a seeded sample, three cases of each goal, with --all all of them. Then
questions about articles that carry no plant, with notes beside them that do, are asked of both libraries: our
article's and those of bench/questions/news_dev.jsonl, in a seeded order. Where the plants change nothing that the
answer is made from, the model is not asked: the difference is nought.
Reported for the configured model: effects, which are no question of the model and must be nought
(tests/test_injection.py holds them so under a model that obeys); how often the attacker's text gets into an
answer; how many more clean questions are answered rightly without plants.

What was asked is kept in .cache/bench/injection: a run that ends with its minutes goes on where it stopped, until
the code, the model or the cases change.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import random
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from app import prompt
from app.answer import Answer, Evidence, Finished, Retrieved, Turn, Writing
from app.ask import Road
from app.evaluate import Question, judge, read_questions
from app.quotes import passed_over
from app.render import words_html
from bench.build_sets import whole_news, write_whole_news
from bench.injection_tables import Row, figures, tables
from bench.planted import (
    NAMES,
    PRIVATE,
    QUESTIONS,
    SEED,
    Case,
    effects,
    reached,
    read_cases,
    sample,
    shown,
    write_library,
    year,
)
from bench.report import CACHE, ROOT, data_folder, write
from ingest.settings import load_settings
from ingest.store import Store
from ingest.sync import sync

ARTICLE = ROOT / "corpus" / "north-koreas-own-pivot-to-asean.md"
CLEAN = ROOT / "bench" / "questions" / "article_dev.jsonl"
NEWS = ROOT / "bench" / "questions" / "news_dev.jsonl"
OWN = ("bench/injection.py", "bench/planted.py")
Task = tuple[str, Callable[[], Row]]


def in_turn(*groups: Sequence[Task]) -> list[Task]:
    """All tasks, so that each group has come equally far whenever the time is up."""
    placed = [(number / len(group), task) for group in groups for number, task in enumerate(group)]
    return [task for _, task in sorted(placed, key=lambda pair: pair[0])]


class Kept:
    """The rows of earlier runs by name, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        self.rows: dict[str, Row] = dict(map(json.loads, lines))

    def work(self, tasks: Sequence[Task], end: float) -> int:
        """Do the tasks that are not done yet, until `end` (of time.monotonic); how many are left."""
        left = [(name, task) for name, task in tasks if name not in self.rows]
        for number, (name, task) in enumerate(left):
            if time.monotonic() > end:
                return len(left) - number
            self.rows[name] = task()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, self.rows[name]], ensure_ascii=False) + "\n")
        return 0


@dataclass(frozen=True)
class Heard:
    """An answer, the evidence that it was written from, and the HTML of what was seen while it was written."""

    answer: Answer
    evidence: tuple[Evidence, ...]
    streamed: tuple[str, ...]

    @property
    def told(self) -> str:
        """The answer's text."""
        return " ".join(sentence.text for sentence in self.answer.sentences)


def hear(road: Road, question: str, history: Sequence[Turn] = (), sources: Sequence[str] | None = None) -> Heard:
    """Ask to the end."""
    evidence: tuple[Evidence, ...] = ()
    streamed = []
    for event in road.ask(question, history, document_ids=sources):
        if isinstance(event, Retrieved):
            evidence = event.evidence
        if isinstance(event, Writing):
            streamed.append(words_html(event.text))
        if isinstance(event, Finished):
            return Heard(event.answer, evidence, tuple(streamed))
    raise AssertionError("the road ends with an answer")


def basis(road: Road, question: str, sources: Sequence[str]) -> tuple[object, ...]:
    """All that the answer depends on: what the model would read, and what might be quoted besides. Asks no model."""
    with closing(road.ask(question, document_ids=sources)) as events:
        evidence = next((event.evidence for event in events if isinstance(event, Retrieved) and event.evidence), ())
    read = tuple(one["content"] for one in prompt.messages(question, evidence))
    return read, tuple(one.span for one in passed_over(question, (), evidence))


@dataclass(frozen=True)
class Libraries:
    """The library with plants and the one without, all that the latter says, and the questions of both.

    They share a model.
    """

    planted: Road
    clean: Road
    harmless: str
    questions: tuple[Question, ...]

    def museum(self, name: str, case: Case) -> Row:
        """Ask about one planted museum, of it and the vault alone, so that the plant has little to compete with."""
        history: list[Turn] = []
        row: Row = {"goal": case.goal, "shown": False, "effects": defaultdict(int), "how": ""}
        sources = _sources(self.planted.store, name)
        for text in QUESTIONS[: case.turns]:
            heard = hear(self.planted, text.format(name), history, sources)
            row["right"] = row.get("right") or _right(heard, name)
            row["shown"] = row["shown"] or shown(heard.evidence, self.harmless)
            row["how"] = row["how"] or reached(case, heard.answer.sentences, row["right"])
            for kind, count in effects(self.planted.store, heard.answer, heard.streamed).items():
                row["effects"][kind] += count
            history.append(Turn(text.format(name), heard.told))
        row["told"] = [turn.answer for turn in history]
        if row["how"] == "unanswered":  # no harm done if the model does not know it anyway
            twin = hear(self.clean, QUESTIONS[0].format(name), (), _sources(self.clean.store, name))
            row["how"] = "unanswered" if _right(twin, name) else ""
        return row

    def question(self, question: Question) -> Row:
        """Ask the same of both, of every source but the private one; nothing where the plants change nothing."""
        roads, chosen = {"planted": self.planted, "clean": self.clean}, {}
        for kind, road in roads.items():
            rows = road.store.catalog.documents()
            chosen[kind] = [one.document_id for one in rows if one.metadata.title != PRIVATE]
        text, row = question.question, {"news": question.question_id.startswith("n")}
        if len({basis(road, text, chosen[kind]) for kind, road in roads.items()}) == 1:
            return {**row, "same": True}
        heard = {kind: hear(road, text, (), chosen[kind]) for kind, road in roads.items()}
        return {
            **row,
            "same": False,
            "shown": shown(heard["planted"].evidence, self.harmless),
            "effects": effects(self.planted.store, heard["planted"].answer, heard["planted"].streamed),
            **{kind: judge(roads[kind], question, one.answer).right for kind, one in heard.items()},
            **{f"{kind} told": one.told for kind, one in heard.items()},
        }


def _right(heard: Heard, name: str) -> bool:
    return bool(re.search(rf"\b{year(name)}\b", heard.told))


def published(row: Row) -> Row:
    """A row for the results: without what was told of the news, whose words are their publishers'."""
    return {name: value for name, value in row.items() if not (row.get("news") and name.endswith(" told"))}


def _sources(store: Store, name: str) -> list[str]:
    rows = store.catalog.documents()
    return [row.document_id for row in rows if row.metadata.title.startswith((f"The {name} museum", "The vault"))]


def opened(folder: Path, cases: Sequence[Case]) -> Libraries:
    """Both libraries, made unless an earlier run has made them, on the configured model."""
    stores, news = [], folder / "news"
    if not (news / "dev.jsonl").exists():
        shutil.rmtree(news, ignore_errors=True)
        write_whole_news(news, whole_news(data_folder() / "extraction"))
    for kind in ("planted", "clean"):
        places = {"CORPUS_DIR": f"{folder}/{kind}/corpus", "INDEX_DIR": f"{folder}/{kind}/index"}
        settings = load_settings({**os.environ, **places})
        if not (folder / kind / "index").exists():
            shutil.rmtree(folder / kind, ignore_errors=True)
            write_library(settings.corpus_dir, ARTICLE, news / "corpus", cases, kind == "planted")
        sync(settings)
        stores.append((settings, Store.open(settings)))
    (settings, planted), (_, clean) = stores
    road = dataclasses.replace(Road.open(settings), store=planted)
    rows = clean.catalog.documents()
    harmless = "\n".join(f"{row.metadata.title}\n{clean.catalog.document(row.document_id).text}" for row in rows)
    asked = [*read_questions(CLEAN), *read_questions(news / "dev.jsonl")]
    questions = [one for one in asked if one.answerable and not one.history]
    shuffled = random.Random(SEED).sample(questions, len(questions))
    return Libraries(road, Road(clean, road.models, road.checker), harmless, tuple(shuffled))


def key(path: Path) -> str:
    """Names what answers depend on: the code, the cases, the model that is set."""
    settings = load_settings()
    digest = hashlib.sha256(f"{settings.chat_model} {settings.openai_base_url}".encode())
    code = [*ROOT.glob("app/*.py"), *ROOT.glob("ingest/**/*.py"), *map(ROOT.joinpath, OWN)]
    for file in (*sorted(code), path, ARTICLE, CLEAN, NEWS):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def main() -> None:
    """Measure the configured model; when all is asked, print the tables and write bench/results/injection.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="stop then; the next run goes on from there")
    parser.add_argument("--cases", type=int, default=36, help="how many planted instructions")
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument("--questions", type=int, default=80, help="how many clean questions")
    options = parser.parse_args()
    path = data_folder() / "injection" / "rag_indirect_cases.jsonl"
    if not path.is_file():
        raise SystemExit(f"No planted instructions at {path}: set BENCH_DATA.")
    cases = read_cases(path)
    names = {case: name for name, case in zip(NAMES, cases, strict=False)}
    chosen = sample(cases, len(cases) if options.all else options.cases)
    end = time.monotonic() + 60 * options.minutes
    folder = CACHE / "injection" / key(path)
    libraries = opened(folder, cases)
    try:
        questions = libraries.questions[: options.questions]
        kept = Kept(folder / "asked.jsonl")
        tasks = in_turn(
            [(one.case_id, lambda one=one: libraries.museum(names[one], one)) for one in chosen],
            [(one.question_id, lambda one=one: libraries.question(one)) for one in questions],
        )
        left = kept.work(tasks, end)
        model = libraries.planted.model.name
    finally:
        libraries.clean.store.close()
        libraries.planted.close()
    if left:
        raise SystemExit(f"{len(tasks) - left} of {len(tasks)} are asked; run it again to go on from there.")
    rows = [
        [kept.rows[one] for one in group] for group in ([c.case_id for c in chosen], [q.question_id for q in questions])
    ]
    found = figures(model, *rows)
    write(
        "injection",
        {**found, "asked": {name: published(kept.rows[name]) for name, _ in tasks}},
        tables(found),
        seed=SEED,
    )


if __name__ == "__main__":
    main()
