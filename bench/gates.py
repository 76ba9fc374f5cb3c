"""Calibrate the gate of app/gates.py: which questions do the sources answer?

    python -m bench.gates                       # on the article's development questions
    python -m bench.gates FILE.jsonl            # on another file's; CORPUS_DIR and INDEX_DIR choose its corpus
    python -m bench.gates --said                # by Yes and No alone, as of a model that has no probe
    python -m bench.gates --fit                 # coefficients of SAID, fitted to the results of FITTED_TO

Each question is answered whatever the gate says, with the configured model; what the gate would see and whether
the answer is right are kept. The table tells for a range of thresholds how many unanswerable questions are refused and
how many answerable ones.
"""

import argparse
import json
import math
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from app import abstention, gates
from app.abstention import Gate
from app.answer import Turn
from app.ask import Road
from app.draft import Draft
from app.evaluate import Question, judge, read_questions
from app.faults import ModelError
from bench import logistic
from bench.report import RESULTS, Table, cell, share, write
from ingest.settings import load_settings

THRESHOLDS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
FITTED_TO = ("said-article_dev", "said-squad")  # development sets alone: what is held out must never be here
RIDGE = 1.0


@dataclass(frozen=True)
class Seen:
    """One question as the gate sees its answer; without `grounds` nothing was written that cites anything."""

    question_id: str
    answerable: bool
    grounds: gates.Grounds | None
    right: bool

    @property
    def score(self) -> float:
        """The score of the gate; answered from 0 on."""
        return gates.score(self.grounds) if self.grounds else -math.inf


class Ungated(Gate):
    """No gate."""

    def stands(self, draft: Draft) -> bool:
        """Every answer does."""
        return True

    def hopeless(self, draft: Draft) -> bool:
        """No answer is."""
        return False


def written(road: Road, question: str, history: Sequence[Turn] = ()) -> Draft:
    """What the model writes of one question. Raises `ModelError`."""
    draft = Draft(question, road.models.metered(), threading.Event())
    for _ in road.retrieve(draft, history, None):
        pass
    if draft.evidence:
        for _ in road.sentences(draft, road.checker.start(draft.query, draft.evidence)):
            pass
    return draft


def see(road: Road, question: Question) -> Seen:
    """Have one question answered whatever the gate says, and measure. Raises `ModelError`, also where no view comes."""
    draft = written(road, question.question, question.history)
    grounds = None
    if draft.evidence:
        grounds = abstention.grounds(draft)
        if draft.holds is None or (grounds and grounds.confirmed is None):
            raise ModelError("unknown", "The endpoint does not tell how likely Yes and No are: nothing to calibrate.")
        for _ in road.complete(draft):
            pass
    return Seen(question.question_id, question.answerable, grounds, judge(road, question, draft.answer()).right)


def fitted(seen: Sequence[Seen]) -> np.ndarray:
    """Coefficients of holds, confirmed and support, and the constant: ridge logistic regression, labels alike."""
    kept = [(one.answerable, one.grounds) for one in seen if one.grounds]
    x = np.array([gates.views(grounds) for _, grounds in kept])
    y = np.array([answerable for answerable, _ in kept], float)
    weights, constant = logistic.fit(x, y, RIDGE)
    return np.array([*weights, constant])


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


def read_results() -> list[Seen]:
    """What runs over the sets of FITTED_TO saw."""
    paths = [RESULTS / f"gates-{name}.json" for name in FITTED_TO]
    rows = [row for path in paths for row in json.loads(path.read_text("utf-8"))["figures"]["questions"]]
    return [Seen(**{**row, "grounds": row["grounds"] and _grounds(row["grounds"])}) for row in rows]


def _grounds(told: dict[str, Any]) -> gates.Grounds:
    mix = told.get("mix")
    return gates.Grounds(**{**told, "mix": gates.Mix(**mix) if mix else gates.SAID})


def main() -> None:
    """Measure, and print the table; or fit."""
    parser = argparse.ArgumentParser(description="Calibrate the gate.")
    parser.add_argument("file", nargs="?", type=Path, default=Path("bench/questions/article_dev.jsonl"))
    parser.add_argument("--name", help="of the results (default: the file's)")
    parser.add_argument("--said", action="store_true", help="by the probabilities of Yes and No, not by the probe")
    parser.add_argument("--fit", action="store_true", help="print coefficients fitted to the results that are there")
    options = parser.parse_args()
    if options.fit:
        seen = read_results()
        print(f"holds, confirmed, support, constant of {len(seen)} questions:", *fitted(seen).round(2))
        return
    road = replace(Road.open(load_settings()), gate=Ungated())
    if options.said:
        road.model.probe = None
    try:
        seen = [see(road, question) for question in tqdm(read_questions(options.file), disable=None)]
    finally:
        road.close()
    name = ("said-" if options.said else "") + (options.name or options.file.stem)
    write(f"gates-{name}", {"questions": [asdict(one) for one in seen]}, [table(seen)])


if __name__ == "__main__":
    main()
