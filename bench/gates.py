"""Calibrate the gates of app/gates.py: which questions do the sources answer?

    python -m bench.gates                       # on the article's development questions
    python -m bench.gates FILE.jsonl --fit      # print coefficients fitted to another file's questions

Each question is answered whatever the gate says, with the configured model; what the gate would see and whether
the answer is right are kept. The table tells for a range of thresholds how many unanswerable questions are refused and
how many answerable ones. CORPUS_DIR and INDEX_DIR choose the corpus, as for the app.
"""

import argparse
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from app import gates
from app.ask import Road
from app.draft import Draft
from app.evaluate import Question, judge, read_questions
from bench.report import Table, cell, share, write
from ingest.settings import load_settings

THRESHOLDS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
RIDGE = 1.0
ROUNDS = 50  # of Newton's method


@dataclass(frozen=True)
class Seen:
    """One question as the gate sees its answer."""

    question_id: str
    answerable: bool
    said: float
    confirmed: float
    support: float
    right: bool

    @property
    def score(self) -> float:
        """The score of the gate; answered from 0 on."""
        return gates.score(gates.Grounds(self.said, self.confirmed, self.support))


def see(road: Road, question: Question) -> Seen | None:
    """Have one question answered whatever the gate says, and measure; None when nothing is found or written."""
    draft = Draft(question.question, road.models.metered(), threading.Event())
    for _ in road.retrieve(draft, question.question, question.history, None):
        pass
    for _ in road.sentences(draft, road.checker.start(draft.query, draft.evidence)) if draft.evidence else ():
        pass
    if not draft.sentences:
        return None
    grounds = road.grounds(draft)
    for _ in road.complete(draft):
        pass
    right = judge(road, question, draft.answer()).right
    return Seen(question.question_id, question.answerable, **asdict(grounds), right=right)


def fitted(seen: Sequence[Seen]) -> np.ndarray:
    """Coefficients of said, confirmed and support, and the constant: ridge logistic regression, labels alike."""
    x = np.array([[*gates.views(gates.Grounds(one.said, one.confirmed, one.support)), 1.0] for one in seen])
    y = np.array([one.answerable for one in seen], float)
    weight = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    middle, scale = x.mean(axis=0), x.std(axis=0)
    middle[-1], scale[-1] = 0.0, 1.0
    z, w = (x - middle) / scale, np.zeros(4)
    penalty = RIDGE * np.array([1.0, 1.0, 1.0, 0.0])
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
                cell(share([one.score < threshold for one in yes])),
                cell(share([one.score >= threshold and one.right for one in yes])),
            )
        )
    header = ("threshold", "unanswerable refused", "answerable refused", "answer right")
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
        print("said, confirmed, support, constant:", *fitted(seen).round(2))
    write("gates", {"file": options.file.name, "questions": [asdict(one) for one in seen]}, [table(seen)])


if __name__ == "__main__":
    main()
