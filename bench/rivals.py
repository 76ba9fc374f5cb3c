"""Answers beside llama-index's own engines: the same questions, model and passages.

    python -m bench.rivals
    python -m bench.rivals --answerable 20 --unanswerable 12

CitationQueryEngine and ContextChatEngine, with their own prompts and defaults, get the passages that our retriever
finds, through `app.llamaindex`, and the configured model. An answer of theirs counts as refused when one of its
sentences is an apology or says that the sources do not say it, and it is not right all the same. A citation of theirs
is the chunk that a number in brackets points to; it cites gold when it overlaps it. The chat engine has no citations.
"""

import argparse
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.query_engine import CitationQueryEngine
from llama_index.core.schema import NodeWithScore
from tqdm import tqdm

from app.ask import PASSAGES, Road
from app.evaluate import Question, plain, read_questions, run
from app.llamaindex import HybridRetriever
from bench.report import Table, cell, share, write
from ingest.sentences import sentence_spans
from ingest.settings import load_settings

SEED = 7
SHARED = 30
_STOP_BEFORE_MARKS = re.compile(r"([.!?]+)((?:\s*\[[\d,\s]+\])+)")
_REFUSES = re.compile(
    r"\b(?:sorry|apologi[sz]e|unable to|cannot|can['’]t|could not find)\b"
    r"|\b(?:no|not enough|insufficient) (?:\w+ ){0,2}(?:information|mention|answer|detail|evidence)"
    r"|\b(?:do(?:es)?|did|is|are|was|were)(?: not|n['’]t) (?:\w+ )?"
    r"(?:mention|provid|specif|stat|contain|includ|say|give|given|cover|address|answer|known|clear)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Answered:
    """One answer, judged. `cites_gold` and `bare` (share of its sentences without a citation) where it cites at all."""

    question: Question
    right: bool
    refused: bool
    cites_gold: bool
    bare: float | None
    seconds: float


Engine = Callable[[Question], tuple[str, Sequence[NodeWithScore]]]


def ours(road: Road, questions: Sequence[Question]) -> list[Answered]:
    """Our answers to the questions."""
    found = []
    with tqdm(total=len(questions), desc="ours", disable=None) as bar:
        for outcome in run(road, questions, lambda _: bar.update() and None):
            told = outcome.answer.sentences
            bare = sum(not sentence.citations for sentence in told) / len(told) if told else None
            seconds = outcome.answer.timings.total_ms / 1000
            refused = outcome.answer.abstained
            found.append(Answered(outcome.question, outcome.right, refused, outcome.cited_gold, bare, seconds))
    return found


def theirs(name: str, engine: Engine, questions: Sequence[Question]) -> list[Answered]:
    """An engine's answers to the questions."""
    found = []
    for question in tqdm(questions, desc=name, disable=None):
        started = perf_counter()
        text, nodes = engine(question)
        found.append(judged(question, text, nodes, perf_counter() - started))
    return found


def judged(question: Question, text: str, nodes: Sequence[NodeWithScore], seconds: float) -> Answered:
    """Hold an engine's answer against the question, as `app.evaluate` does ours."""
    text = _STOP_BEFORE_MARKS.sub(r"\2\1", text)  # marks behind a full stop are of the sentence before it
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    folded = plain(text)
    right = question.answerable and all(any(plain(one) in folded for one in facts) for facts in question.answer)
    refused = not right and bool(_REFUSES.search(text) or not text.strip())
    numbers = {int(number) for mark in re.findall(r"\[[\d,\s]+\]", text) for number in re.findall(r"\d+", mark)}
    cited = [nodes[number - 1].node.get_content() for number in numbers if 0 < number <= len(nodes)]
    gold = any(overlaps(evidence, chunk) for evidence in question.evidence for chunk in cited)
    bare = sum(not re.search(r"\[\d", sentence) for sentence in sentences) / max(1, len(sentences))
    return Answered(question, right, refused, gold, bare if nodes else None, seconds)


def overlaps(evidence: str, chunk: str) -> bool:
    """Does the chunk hold the evidence, or begin or end within it (by SHARED characters at least)?"""
    return evidence in chunk or evidence[:SHARED] in chunk or evidence[-SHARED:] in chunk


def citation_engine(road: Road) -> Engine:
    """llama-index's CitationQueryEngine over our passages."""
    engine = CitationQueryEngine(HybridRetriever(road.store, k=PASSAGES), llm=road.model.llm())

    def answer(question: Question) -> tuple[str, Sequence[NodeWithScore]]:
        reply = engine.query(question.question)
        return str(reply), reply.source_nodes

    return answer


def chat_engine(road: Road) -> Engine:
    """llama-index's ContextChatEngine over our passages, a new conversation for each question."""
    retriever, llm = HybridRetriever(road.store, k=PASSAGES), road.model.llm()

    def answer(question: Question) -> tuple[str, Sequence[NodeWithScore]]:
        engine = ContextChatEngine.from_defaults(retriever, llm=llm)
        return str(engine.chat(question.question)), ()

    return answer


def figures(found: Sequence[Answered]) -> dict[str, Any]:
    """Shares with their intervals, and the median time."""
    yes = [one for one in found if one.question.answerable]
    no = [one for one in found if not one.question.answerable]
    told = [one for one in yes if not one.refused and one.bare is not None and one.question.evidence]
    return {
        "right": share([one.right for one in yes]),
        "answerable_refused": share([one.refused for one in yes]),
        "unanswerable_refused": share([one.refused for one in no]),
        "cites_gold": share([one.cites_gold for one in told]),
        "uncited_sentences": share([one.bare for one in found if one.bare is not None and not one.refused]),
        "seconds": round(median(one.seconds for one in found), 1),
    }


def table(systems: dict[str, dict[str, Any]]) -> Table:
    """A row for each system."""
    names = ("right", "unanswerable_refused", "answerable_refused", "cites_gold", "uncited_sentences")
    rows = [(name, *(cell(one[n]) for n in names), f"{one['seconds']} s") for name, one in systems.items()]
    header = ("system", *(name.replace("_", " ") for name in names), "median time")
    return Table("Answers: the same questions, model and passages", header, rows)


def drawn(file: Path, answerable: int, unanswerable: int) -> list[Question]:
    """A seeded sample of a question file; follow-ups are left out, since a query engine knows no turns before."""
    chance = random.Random(SEED)
    alone = [question for question in read_questions(file) if not question.history]
    yes = [question for question in alone if question.answerable]
    no = [question for question in alone if not question.answerable]
    return chance.sample(yes, min(answerable, len(yes))) + chance.sample(no, min(unanswerable, len(no)))


def main() -> None:
    """Ask all three, print and write the table."""
    parser = argparse.ArgumentParser(description="Answers beside llama-index's engines.")
    parser.add_argument("file", nargs="?", type=Path, default=Path("bench/questions/article_dev.jsonl"))
    parser.add_argument("--answerable", type=int, default=12)
    parser.add_argument("--unanswerable", type=int, default=8)
    options = parser.parse_args()
    questions = drawn(options.file, options.answerable, options.unanswerable)
    road = Road.open(load_settings())
    try:
        systems = {
            "ours": figures(ours(road, questions)),
            "CitationQueryEngine": figures(theirs("CitationQueryEngine", citation_engine(road), questions)),
            "ContextChatEngine": figures(theirs("ContextChatEngine", chat_engine(road), questions)),
        }
    finally:
        road.close()
    write("rivals", systems, [table(systems)], seed=SEED)


if __name__ == "__main__":
    main()
