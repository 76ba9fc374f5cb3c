"""Fit the probe of app/probe.py: does the packaged model know whether the sources answer a question?

    python -m bench.probe            # the table, by cross-validation; what has not been asked yet is asked first
    python -m bench.probe --save     # and write app/probe.json

Each question of the development and training sets is answered whatever the gate says, some ten seconds each on two
cores; the logits of the two requests that the probe reads, and the checker's view, are kept in .cache/bench/probe, in
a folder named by the words of these requests: after a change of them all is asked anew. A change of the evidence that
questions bring up is not in that name: then delete the folder.
Held-out sets have no part in it. The table is of questions about articles that the fits behind it have not seen, but
for the penalties and the mix, five numbers, which all questions choose. app/probe.json must be there, of whatever
weights: what the road makes of them is not used.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from tqdm import tqdm

from app import abstention, confirm, prompt
from app.answer import Evidence
from app.ask import Road
from app.draft import Draft
from app.evaluate import turns
from app.gates import PROBED, Grounds, score
from app.probe import FILE, Kind, Probe, features
from app.weights import MODELS
from bench import build_sets, logistic
from bench.gates import Ungated, written
from bench.report import CACHE, ROOT, Table, cell, share, write
from bench.retrieval_sets import settings_for
from ingest.document import Document, Metadata
from ingest.sync import sync

KINDS: tuple[Kind, ...] = get_args(Kind)
COMMON, COUNT = 20_000, 1_200  # tokens are drawn from the commonest, which have the lowest numbers
WORDS = (9454, 2753)  # "Yes" and "No" of the model's tokenizer
FOLDS = 12
PENALTIES = (50.0, 100.0, 200.0, 400.0)
STACKED = 1.0  # the penalty where the views are mixed
THRESHOLDS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
QUESTIONS = ROOT / "bench" / "questions"
Row = dict[str, Any]


@dataclass(frozen=True)
class Recorder(Probe):
    """Keeps the logits of the latest request of each kind."""

    seen: dict[Kind, np.ndarray] = field(default_factory=dict)

    def log_odds(self, kind: Kind, shares: Sequence[tuple[int, float]]) -> float | None:
        """Even odds."""
        self.seen[kind] = features(self.tokens, shares)
        return 0.0


@dataclass(frozen=True)
class Asked:
    """What was seen of each of n questions: `views` (n, tokens) by kind, the checker's `support`, and the label."""

    ids: tuple[str, ...]
    answerable: np.ndarray
    support: np.ndarray
    views: dict[Kind, np.ndarray]


def drawn() -> tuple[int, ...]:
    """The tokens that are asked for."""
    chosen = np.random.default_rng(0).choice(COMMON, COUNT, replace=False)
    return tuple(sorted({*WORDS, *map(int, chosen)}))


def digest() -> str:
    """SHA-256 of the words in which the model is asked: logits, and a probe of them, are of these alone."""
    rain = Document("It rains.", Metadata("Rain"))
    evidence = Evidence(1, rain.span(0, len(rain.text)), rain.metadata, 1.0)
    asked = [*prompt.messages("Does it rain?", [evidence]), *confirm.beginning()]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def asked_in() -> Path:
    """The folder of what has been asked in these words."""
    return CACHE / "probe" / digest()[:16]


def sets() -> Iterator[tuple[list[Row], Path]]:
    """Questions, each with `answerable`, and the folder of their corpus. Raises `RuntimeError` without the data."""
    made = CACHE / "sets"
    yield _rows(QUESTIONS / "article_dev.jsonl"), ROOT / "corpus"
    for name, file in (("whole_news", "dev.jsonl"), ("news_train", "train.jsonl")):
        folder = made / name
        if not folder.exists() and build_sets.main([name, str(made)]):
            raise RuntimeError(f"{name} could not be made.")
        yield _rows(folder / file), folder / "corpus"


def _rows(path: Path) -> list[Row]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [{**row, "answerable": bool(row.get("answerable", row.get("answer")))} for row in rows]


def ask_all() -> None:
    """Ask what has not been asked; each question is kept as soon as it is. Raises `ModelError`."""
    asked_in().mkdir(parents=True, exist_ok=True)
    for rows, corpus in sets():
        missing = [row for row in rows if not _place(row).exists()]
        if missing:
            settings = settings_for(corpus, CACHE / "answers" / corpus.parent.name)
            sync(settings)
            road = replace(Road.open(settings), gate=Ungated())
            try:
                for row in tqdm(missing, disable=None):
                    _ask(road, row)
            finally:
                road.close()


def _ask(road: Road, row: Row) -> None:
    recorder = Recorder(MODELS[0].sha256, drawn(), {})
    road.model.probe = recorder
    history = turns(row.get("history") or [])
    draft = written(road, str(row["question"]), history)
    found = abstention.grounds(draft) if draft.evidence else None
    # Where nothing is cited there is nothing for a gate; what cites another sentence than it should is no answer.
    whole = found is not None and set(recorder.seen) == set(KINDS)
    kept = whole and (not row["answerable"] or _hits(draft, row["evidence"]))
    support = found.support if found else 0.0
    np.savez(_place(row), answerable=row["answerable"], kept=kept, support=support, **recorder.seen)


def _hits(draft: Draft, evidence: Sequence[str]) -> bool:
    cited = [citation.span.text for sentence in draft.sentences for citation in sentence.citations]
    return any(gold in text or text in gold for gold in evidence for text in cited)


def _place(row: Row) -> Path:
    return asked_in() / f"{row['id']}.npz"


def read() -> Asked:
    """What has been asked and is of use to a fit. Raises `RuntimeError` when nothing is."""
    every = [(path, dict(np.load(path))) for path in sorted(asked_in().glob("*.npz"))]
    kept = [(path, one) for path, one in every if one["kept"]]
    if not kept:
        raise RuntimeError(f"Nothing has been asked: {asked_in()} is empty.")
    paths, held = zip(*kept, strict=True)
    views = {kind: np.stack([one[kind] for one in held]) for kind in KINDS}
    labels, support = (np.array([one[name] for one in held]) for name in ("answerable", "support"))
    return Asked(tuple(path.stem for path in paths), labels.astype(float), support, views)


def folds(ids: Sequence[str]) -> np.ndarray:
    """The fold of each question: all questions about an article are in one."""
    articles = {}
    for name in ("news_dev", "news_train"):
        rows = _rows(QUESTIONS / f"{name}.jsonl")
        articles |= {row["id"]: f"{name} {row['article']}" for row in rows}
    groups = [articles.get(one, "article_dev") for one in ids]
    names = sorted(set(groups))
    of = dict(zip(names, np.random.default_rng(1).permutation(len(names)) % FOLDS, strict=True))
    return np.array([of[group] for group in groups])


def unseen(x: np.ndarray, y: np.ndarray, fold: np.ndarray, penalty: float) -> np.ndarray:
    """Each question's log-odds by a fit to the other folds."""
    odds = np.zeros(len(y))
    for number in range(FOLDS):
        out = fold == number
        weights, constant = logistic.fit(x[~out], y[~out], penalty)
        odds[out] = x[out] @ weights + constant
    return odds


@dataclass(frozen=True)
class Fitted:
    """`made`: app/probe.json. `scores`: the gate's, of each question, by fits to the other folds."""

    made: dict[str, Any]
    scores: np.ndarray
    penalties: Table


def fit(asked: Asked) -> Fitted:
    """Fit a probe to each view and mix them, so that their sum is a log-odds."""
    fold, y = folds(asked.ids), asked.answerable
    rows, best, odds = [], dict[Kind, float](), dict[Kind, np.ndarray]()
    for kind in KINDS:
        tried = {one: unseen(asked.views[kind], y, fold, one) for one in PENALTIES}
        areas = {one: logistic.area_under_roc(found, y == 1) for one, found in tried.items()}
        best[kind] = max(areas, key=lambda one: areas[one])
        odds[kind] = tried[best[kind]]
        rows.append((kind, *(f"{areas[one]:.3f}" for one in PENALTIES)))
    views = np.column_stack([odds["holds"], odds["confirmed"], asked.support])
    scores = np.zeros(len(y))
    for number in range(FOLDS):
        out = fold == number
        scores[out] = mixed(views[out], *logistic.fit(views[~out], y[~out], STACKED))
    made = _made(asked, best, *logistic.fit(views, y, STACKED))
    return Fitted(made, scores, Table("Area under the curve, by penalty", ("view", *map(str, PENALTIES)), rows))


def mixed(views: np.ndarray, weights: np.ndarray, constant: float) -> np.ndarray:
    """The gate's scores of rows of holds, confirmed and support, bounded as the gate in use does."""
    mix = replace(PROBED, support=float(weights[2]))
    rows = [(weights[0] * holds + constant, weights[1] * confirmed, support) for holds, confirmed, support in views]
    return np.array([score(Grounds(*map(float, row), mix)) for row in rows])


def _made(asked: Asked, penalties: dict[Kind, float], weights: np.ndarray, constant: float) -> dict[str, Any]:
    made = {"sha256": MODELS[0].sha256, "texts": digest(), "tokens": drawn(), "support": round(float(weights[2]), 3)}
    for kind, weight, rest in zip(KINDS, weights, (constant, 0.0), strict=False):
        of_tokens, base = logistic.fit(asked.views[kind], asked.answerable, penalties[kind])
        rounded = [round(float(one), 6) for one in weight * of_tokens]
        made[kind] = {"tokens": rounded, "constant": round(float(weight * base + rest), 4)}
    return made


def table(asked: Asked, scores: np.ndarray) -> Table:
    """Refusals by threshold, over all questions and by set."""
    rows = []
    for threshold in THRESHOLDS:
        refused = scores < threshold
        cells = [cell(share(refused[asked.answerable == label].tolist())) for label in (0, 1)]
        rows.append((f"{threshold:+.1f}", *cells))
    areas = [
        f"{name} {logistic.area_under_roc(scores[of], asked.answerable[of] == 1):.3f}" for name, of in _by_set(asked)
    ]
    note = f"Threshold 0 is the one in use. Area under the curve: {', '.join(areas)}."
    return Table("Abstention by the probe", ("threshold", "unanswerable refused", "answerable refused"), rows, note)


def _by_set(asked: Asked) -> Iterator[tuple[str, np.ndarray]]:
    for name, letter in (("article_dev", "d"), ("news_dev", "n"), ("news_train", "t"), ("all", "")):
        yield name, np.array([one.startswith(letter) for one in asked.ids])


def main() -> None:
    """Ask what is missing, fit, and print."""
    parser = argparse.ArgumentParser(description="Fit the probe.")
    parser.add_argument("--save", action="store_true", help="write app/probe.json")
    options = parser.parse_args()
    ask_all()
    asked = read()
    found = fit(asked)
    scores = dict(zip(asked.ids, found.scores.round(3).tolist(), strict=True))
    write("probe", {"scores": scores}, [table(asked, found.scores), found.penalties])
    if options.save:
        FILE.write_text(json.dumps(found.made) + "\n", "utf-8")
        print(f"{FILE.name} is written; the support of PROBED in app/gates.py must be {found.made['support']}.")


if __name__ == "__main__":
    main()
