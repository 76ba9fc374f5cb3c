"""A question file -> the figures of quality, for whatever model is configured.

One JSON object a line: {"id", "question", "history": [user, assistant, ...],
"answer": [[alternatives], ...], "evidence": [substring, ...], "kind"}; an empty "answer"
marks a question that the sources do not hold; a line whose "answer" is null is left out.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from app.answer import Answer, Finished, Turn
from app.ask import Road
from ingest import UserError

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
_QUOTES = {**dict.fromkeys(map(ord, "’‘ʼ"), "'"), **dict.fromkeys(map(ord, "“”„"), '"')}


@dataclass(frozen=True)
class Question:
    """One line of a question file."""

    question_id: str
    question: str
    history: tuple[Turn, ...]
    answer: tuple[tuple[str, ...], ...]
    evidence: tuple[str, ...]
    kind: str

    @property
    def answerable(self) -> bool:
        """Do the sources hold the answer?"""
        return bool(self.answer)


@dataclass(frozen=True)
class Outcome:
    """One question's answer, judged. The shares of a figure are over the outcomes that it applies to."""

    question: Question
    answer: Answer
    right: bool
    cited_gold: bool
    verbatim: bool


@dataclass(frozen=True)
class Figures:
    """Shares from 0 to 1 (None where nothing applies), counts, and milliseconds.

    `answer_right`: all required facts in the answer, of answerable questions. `citation_hit`: a
    citation overlaps gold evidence, of those answered that have gold. `citations_verbatim`: the
    quote is the stored text. `sentences_marked`: unsupported and marked. `sentences_uncited`:
    called supported without a citation. `refusal_recall`: unanswerable refused; `false_refusals`:
    answerable refused; `refusal_precision`: refused that were unanswerable.
    """

    questions: int
    answer_right: float | None
    citation_hit: float | None
    citations_verbatim: float | None
    sentences: int
    sentences_marked: int
    sentences_uncited: int
    refusal_recall: float | None
    refusal_precision: float | None
    false_refusals: float | None
    retrieve_ms_median: float
    first_token_ms_median: float | None
    total_ms_median: float
    total_ms_p95: float
    model: str


def read_questions(path: Path) -> list[Question]:
    """Raises `UserError` naming the first line that is not a question."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a question file: {error}.") from error
    return [_question(line, f"{path}, line {n}") for n, line in enumerate(lines, 1) if line.strip() and not _open(line)]


def turns(history: Sequence[str]) -> tuple[Turn, ...]:
    """[user, assistant, user, assistant, ...] as turns; a last user message without a reply is left out.

    Raises `UserError` when it is no list of texts.
    """
    if not isinstance(history, list | tuple) or not all(isinstance(text, str) for text in history):
        raise UserError('"history" is no list of texts: [question, answer, question, answer, ...].')
    return tuple(Turn(q, a) for q, a in zip(history[::2], history[1::2], strict=False))


def run(
    road: Road, questions: Iterable[Question], done: Callable[[Outcome], None], model: str | None = None
) -> list[Outcome]:
    """Ask each question, of the model with this id; `done` is told of each outcome as it comes."""
    outcomes = []
    for question in questions:
        *_, last = road.ask(question.question, question.history, model=model)
        assert isinstance(last, Finished)
        outcomes.append(judge(road, question, last.answer))
        done(outcomes[-1])
    return outcomes


def judge(road: Road, question: Question, answer: Answer) -> Outcome:
    """Hold one answer against its question's required facts and gold evidence."""
    text = plain(" ".join(sentence.text for sentence in answer.sentences))
    right = all(any(plain(a) in text for a in alternatives) for alternatives in question.answer)
    spans = [c.span for s in answer.sentences for c in s.citations]
    stored = {span.document_id: road.store.catalog.document(span.document_id).text for span in spans}
    gold = [(i, *where) for i, t in stored.items() for e in question.evidence for where in _places(t, e)]
    hit = any(s.document_id == i and s.start < end and start < s.end for s in spans for i, start, end in gold)
    verbatim = all(stored[s.document_id][s.start : s.end] == s.text for s in spans)
    return Outcome(question, answer, right and not answer.abstained, hit, verbatim)


def figures(outcomes: Sequence[Outcome], model: str) -> Figures:
    """The figures over all outcomes."""
    answerable = [o for o in outcomes if o.question.answerable]
    unanswerable = [o for o in outcomes if not o.question.answerable]
    refused = [o for o in outcomes if o.answer.abstained]
    answered = [o for o in answerable if not o.answer.abstained and o.question.evidence]
    sentences = [s for o in outcomes for s in o.answer.sentences]
    cited = [o for o in outcomes if any(s.citations for s in o.answer.sentences)]
    first = [o.answer.timings.first_token_ms for o in outcomes if o.answer.timings.first_token_ms]
    total = [o.answer.timings.total_ms for o in outcomes]
    return Figures(
        questions=len(outcomes),
        answer_right=_share(o.right for o in answerable),
        citation_hit=_share(o.cited_gold for o in answered),
        citations_verbatim=_share(o.verbatim for o in cited),
        sentences=len(sentences),
        sentences_marked=sum(s.verdict == "unsupported" for s in sentences),
        sentences_uncited=sum(s.verdict == "supported" and not s.citations for s in sentences),
        refusal_recall=_share(o.answer.abstained for o in unanswerable),
        refusal_precision=_share(not o.question.answerable for o in refused),
        false_refusals=_share(o.answer.abstained for o in answerable),
        retrieve_ms_median=round(median(o.answer.timings.retrieve_ms for o in outcomes), 1),
        first_token_ms_median=round(median(first), 1) if first else None,
        total_ms_median=round(median(total), 1),
        total_ms_p95=round(quantiles(total, n=20, method="inclusive")[-1], 1) if len(total) > 1 else round(total[0], 1),
        model=model,
    )


def table(by_kind: dict[str, Figures]) -> str:
    """The figures as a Markdown table: a column for each group."""
    names = list(by_kind)
    rows = [f"| measure | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    columns = [asdict(by_kind[name]) for name in names]
    rows += [
        f"| {field.replace('_', ' ')} | {' | '.join(_cell(field, c[field]) for c in columns)} |" for field in columns[0]
    ]
    return "\n".join(rows)


def plain(text: str) -> str:
    """Text folded for comparison: case, white space, quotes, dashes, commas in numbers."""
    folded = unicodedata.normalize("NFKC", text).translate(_DASHES).translate(_QUOTES).casefold()
    return " ".join(re.sub(r"(?<=\d),(?=\d{3})", "", folded).split())


def _places(text: str, evidence: str) -> list[tuple[int, int]]:
    return [(m.start(), m.end()) for m in re.finditer(re.escape(evidence), text)]


def _share(values: Iterable[bool]) -> float | None:
    found = list(values)
    return round(sum(found) / len(found), 4) if found else None


def _cell(field: str, value: Any) -> str:
    if value is None:
        return "-"
    shares = {"answer_right", "citation_hit", "citations_verbatim", "false_refusals"}
    if field in shares or field.startswith("refusal"):
        return f"{100 * value:.1f} %"
    return str(value)


def _open(line: str) -> bool:
    """A line whose `answer` is null: nobody has said yet what is right (see app/feedback.py)."""
    try:
        return bool(json.loads(line).get("answer", 1) is None)
    except (ValueError, AttributeError):
        return False


def _question(line: str, where: str) -> Question:
    try:
        found = json.loads(line)
        return Question(
            question_id=str(found["id"]),
            question=str(found["question"]),
            history=turns(found.get("history") or []),
            answer=tuple(tuple(alternatives) for alternatives in found.get("answer") or []),
            evidence=tuple(found.get("evidence") or []),
            kind=str(found.get("kind") or ""),
        )
    except (UserError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'{where} is not a question, as {{"id", "question", "answer", "evidence"}}: {error}.'
        ) from error
