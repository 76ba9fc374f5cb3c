"""Answers of each packaged model: the held-out questions about the article, and samples of two other sets.

    python -m bench.answers
    python -m bench.answers --model qwen2.5-coder-0.5b-instruct --set article
    python -m bench.answers --questions 40         # of each of the other sets; those about the article are all asked

Each model and set runs `python -m app evaluate` in a process of its own, on an index of its own. What is not measured
anew stays in the results; each row says when and from which commit it is.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.evaluate import Question, read_questions
from app.weights import MODELS
from bench import build_sets
from bench.endpoints import evaluated, every
from bench.report import CACHE, RESULTS, ROOT, Table, cell, data_folder, facts, share, write
from bench.retrieval_sets import settings_for
from ingest.sync import sync

NAMES = tuple(model.name for model in MODELS)
SHARES = {  # what is measured of a case -> its heading
    "right": "right",
    "cites_gold": "answered: cites gold",
    "unanswerable_refused": "unanswerable refused",
    "answerable_refused": "answerable refused",
}


@dataclass(frozen=True)
class AnswerSet:
    """A question file and the folder of its corpus; both are made from `data` where that is named."""

    questions: Path
    corpus: Path
    data: Path | None = None


def answer_sets(made: Path = CACHE / "sets") -> dict[str, AnswerSet]:
    """The sets by name; those that are made from public data need not be there yet."""
    news, squad = made / "whole_news", made / "squad"
    return {
        "article": AnswerSet(ROOT / "bench" / "questions" / "article_heldout.jsonl", ROOT / "corpus"),
        "whole_news": AnswerSet(news / "heldout.jsonl", news / "corpus", data_folder() / "extraction"),
        "squad": AnswerSet(squad / "questions.jsonl", squad / "corpus", data_folder() / "retrieval" / "squad_new_wiki"),
    }


def measured(name: str, one: AnswerSet, model: str, count: int) -> dict[str, Any]:
    """The figures of a model on a set, with intervals, and the facts of the run."""
    if not one.corpus.exists() and build_sets.main([name, str(one.corpus.parent.parent)]):
        raise RuntimeError(f"{name} could not be made.")
    index = CACHE / "answers" / name
    sync(settings_for(one.corpus, index))
    with tempfile.TemporaryDirectory() as folder:
        asked, details = one.questions if one.data is None else every(one.questions, count, Path(folder)), Path(folder)
        settings = {"CHAT_MODEL": model, "CORPUS_DIR": str(one.corpus), "INDEX_DIR": str(index)}
        found = evaluated(asked, settings, details / "answers.jsonl")
        lines = (details / "answers.jsonl").read_text(encoding="utf-8").splitlines()
        cases = shares(read_questions(asked), [json.loads(line) for line in lines])
    return {"shares": cases, "evaluate": found, "facts": facts(build_sets.SEED if one.data else 0)}


def shares(questions: Sequence[Question], answers: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each of SHARES with its interval, over the questions that it applies to."""
    pairs = list(zip(questions, answers, strict=True))
    answerable = [(question, answer) for question, answer in pairs if question.answerable]
    answered = [answer for question, answer in answerable if question.evidence and not answer["abstained"]]
    values = {
        "right": [answer["right"] for _, answer in answerable],
        "cites_gold": [answer["cited_gold"] for answer in answered],
        "unanswerable_refused": [answer["abstained"] for question, answer in pairs if not question.answerable],
        "answerable_refused": [answer["abstained"] for _, answer in answerable],
    }
    return {name: share([float(value) for value in found]) for name, found in values.items()}


def table(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row for each model and set."""
    rows = []
    for model, sets in figures.items():
        for name, found in sets.items():
            told, run = found["evaluate"], found["facts"]
            verbatim = "-" if told["citations_verbatim"] is None else f"{100 * told['citations_verbatim']:.0f} %"
            cells = [cell(found["shares"][one]) for one in SHARES]
            seconds = f"{told['total_ms_median'] / 1000:.1f} s"
            when = f"{run['date']}, {run['commit']}, load {run['load']}"
            rows.append((model, name, str(told["questions"]), *cells, verbatim, seconds, when))
    header = ("model", "set", "questions", *SHARES.values(), "verbatim", "median", "run")
    note = "Per cent with 95 % intervals; `cites gold` is over the answerable questions that were answered."
    return Table("Answers by model", header, rows, note)


def before() -> dict[str, dict[str, Any]]:
    """The figures of earlier runs by model and set."""
    path = RESULTS / "answers.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))["figures"]) if path.exists() else {}


def main() -> int:
    """Measure, print and write the table after each model and set, so that a broken run keeps what it has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", action="append", choices=NAMES, help="only this model (may be repeated)")
    parser.add_argument("--set", action="append", choices=tuple(answer_sets()), help="only this set (may be repeated)")
    parser.add_argument("--questions", type=int, default=20, help="of each set made from public data")
    options = parser.parse_args()
    figures = before()
    for name, one in answer_sets().items():
        if name not in (options.set or [name]):
            continue
        if one.data is not None and not one.data.is_dir():
            print(f"{name} is left out: there is no {one.data} (BENCH_DATA names another folder).", file=sys.stderr)
            continue
        for model in options.model or NAMES:
            figures.setdefault(model, {})[name] = measured(name, one, model, options.questions)
            write("answers", figures, [table(figures)])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
