"""Calibrate the gates of app/gates.py: which questions do the sources answer?

    python -m bench.gates                       # on the article's development questions
    python -m bench.gates FILE.jsonl --fit      # print coefficients fitted to another file's questions

For each question what the gate before writing sees is measured once, with the configured model, and
whether the answer, written whatever the gate says, is right. The table tells for a range of thresholds
how many unanswerable questions are refused, by this gate alone and with the one after writing, and how
many answerable ones. CORPUS_DIR and INDEX_DIR choose the corpus, as for the app.
"""

import argparse
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from app import gates
from app.ask import Draft, Road
from app.evaluate import Question, judge, read_questions
from bench.report import Table, cell, share, write
from ingest.settings import load_settings

THRESHOLDS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
RIDGE = 1.0
ROUNDS = 50  # of Newton's method


@dataclass(frozen=True)
class Seen:
    """One question as the gates see it; `held` tells whether a sentence of the answer is borne out."""

    question_id: str
    answerable: bool
    cover: float
    similarity: float
    missing: float
    held: bool
    right: bool

    @property
    def score(self) -> float:
        """The score of the gate before writing; answered from 0 on."""
        return gates.score(gates.Fit(self.cover, self.similarity, self.missing))


def see(road: Road, question: Question) -> Seen | None:
    """Measure one question, and have it answered whatever the gate says; None when nothing is found."""
    draft = Draft(question.question, road.models.metered(), threading.Event())
    for _ in road.retrieve(draft, question.question, question.history, None):
        pass
    if not draft.evidence:
        return None
    session = road.checker.start(draft.query, draft.evidence)
    found = gates.fit(draft.query, draft.evidence, session)
    found = replace(found, missing=gates.missing(draft.chat, draft.query, draft.evidence))
    for _ in road.sentences(draft, session):
        pass
    answer = draft.answer()
    right = judge(road, question, answer).right
    held = not answer.abstained
    return Seen(question.question_id, question.answerable, **asdict(found), held=held, right=right)


def fitted(seen: Sequence[Seen]) -> np.ndarray:
    """Coefficients of similarity and missing, and the constant: ridge logistic regression, labels alike."""
    x = np.array([[one.similarity, one.missing, 1.0] for one in seen])
    y = np.array([one.answerable for one in seen], float)
    weight = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    middle, scale = x.mean(axis=0), x.std(axis=0)
    middle[-1], scale[-1] = 0.0, 1.0
    z, w = (x - middle) / scale, np.zeros(3)
    penalty = RIDGE * np.array([1.0, 1.0, 0.0])
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-z @ w))
        slope = z.T @ (weight * (p - y)) + penalty * w
        w = w - np.linalg.solve((z.T * (weight * p * (1 - p))) @ z + np.diag(penalty + 1e-9), slope)
    w = w / scale
    w[-1] -= w[:-1] @ middle[:-1]
    return np.asarray(w)


def table(seen: Sequence[Seen]) -> Table:
    """Refusals by threshold."""
    rows = []
    for threshold in THRESHOLDS:
        no = [one for one in seen if not one.answerable]
        yes = [one for one in seen if one.answerable]
        rows.append(
            (
                f"{threshold:+.1f}",
                cell(share([one.score < threshold for one in no])),
                cell(share([one.score < threshold or not one.held for one in no])),
                cell(share([one.score < threshold or not one.held for one in yes])),
                cell(share([one.score >= threshold and one.right for one in yes])),
            )
        )
    header = ("threshold", "refused before", "refused, both gates", "answerable refused", "answer right")
    return Table("Abstention by threshold", header, rows, "Threshold 0 is the one in use.")


def main() -> None:
    """Measure, and print the table or the coefficients."""
    parser = argparse.ArgumentParser(description="Calibrate the gates.")
    parser.add_argument("file", nargs="?", type=Path, default=Path("bench/questions/article_dev.jsonl"))
    parser.add_argument("--fit", action="store_true", help="print coefficients fitted to these questions")
    options = parser.parse_args()
    road = Road.open(load_settings())
    try:
        questions = read_questions(options.file)
        seen = [one for question in tqdm(questions, disable=None) if (one := see(road, question))]
    finally:
        road.close()
    if options.fit:
        print("similarity, missing, constant:", *fitted(seen).round(2))
    write("gates", {"file": options.file.name, "questions": [asdict(one) for one in seen]}, [table(seen)])


if __name__ == "__main__":
    main()
