"""Measure the checker on labelled claims, or fit its coefficients.

    python -m bench.checker            # table, and JSON in bench/results/checker.json
    python -m bench.checker --held     # the held-out documents instead: once, at a release
    python -m bench.checker --fit      # print coefficients for the table in app/support.py

The sets are described in `bench/claim_sets.py`. Fitting never sees the test and held-out documents,
nor the hand-made claims about the article.
"""

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from app import support as model
from app.answer import Evidence
from app.check import Checker, Session
from app.emptiness import empty
from bench import claim_sets
from bench.claim_sets import Labelled
from ingest.embed import LocalEmbedder
from ingest.sentences import sentence_spans

RESULTS = Path(__file__).parent / "results" / "checker.json"
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# How much a set weighs in the fit: human labels on a model's sentences are the nearest to our use.
WEIGHTS = {"faithbench": 1.0, "squad": 1.0, "scifact": 0.3}
ROUNDS = 3  # spans are chosen with the coefficients, so choosing and fitting take turns
RIDGE = 1.0


@dataclass(frozen=True)
class Outcome:
    """A claim as judged: `logit` before faults; `milliseconds` of the check."""

    claim: Labelled
    probability: float
    logit: float
    features: tuple[float, ...]
    faulty: bool
    milliseconds: float
    why: str


class Memo:
    """Vectors of texts, each computed once in a run of the bench."""

    def __init__(self) -> None:
        self._embedder = LocalEmbedder()
        self._known: dict[str, np.ndarray] = {}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of `texts`."""
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            self._known.update(zip(new, self._embedder.embed(new), strict=True))
        return np.stack([self._known[text] for text in texts])


def judge(claims: Sequence[Labelled], memo: Memo) -> list[Outcome]:
    """Check every claim against the sentences of its document."""
    checker = Checker(memo.embed)
    sessions: dict[tuple[str, str], Session] = {}
    outcomes = []
    for claim in claims:
        key = (claim.document.document_id, claim.question)
        if key not in sessions:
            sessions[key] = checker.start(claim.question, _evidence(claim))
        outcomes.append(_judged(claim, sessions[key]))
    return outcomes


def _evidence(claim: Labelled) -> list[Evidence]:
    document = claim.document
    spans = [document.span(start, end) for start, end in sentence_spans(document.text)]
    return [Evidence(number, span, document.metadata, 0.5) for number, span in enumerate(spans, 1)]


def _judged(claim: Labelled, session: Session) -> Outcome:
    started = time.perf_counter()
    sentence = session.check(claim.text, claim.cited)
    milliseconds = 1000 * (time.perf_counter() - started)
    if empty(claim.text, claim.question):
        return Outcome(claim, 0.0, -9.0, (), True, milliseconds, sentence.why)
    judged = session.judge(claim.text, claim.cited).support
    return Outcome(
        claim, sentence.support, judged.logit, astuple(judged.features), bool(judged.faults), milliseconds, sentence.why
    )


def figures(outcomes: Sequence[Outcome], threshold: float) -> dict[str, float]:
    """Precision and recall of both verdicts; `passed` is the share of unsupported claims not marked."""
    supported = [o.probability >= threshold for o in outcomes]
    truth = [o.claim.supported for o in outcomes]
    both = sum(s and t for s, t in zip(supported, truth, strict=True))
    neither = sum(not s and not t for s, t in zip(supported, truth, strict=True))
    return {
        "supported_precision": _share(both, sum(supported)),
        "supported_recall": _share(both, sum(truth)),
        "unsupported_precision": _share(neither, len(truth) - sum(supported)),
        "unsupported_recall": _share(neither, len(truth) - sum(truth)),
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else math.nan


def area(outcomes: Sequence[Outcome]) -> float:
    """Area under the ROC curve: how often a supported claim is above an unsupported one."""
    high = np.array([o.probability for o in outcomes if o.claim.supported])
    low = np.array([o.probability for o in outcomes if not o.claim.supported])
    if not len(high) or not len(low):
        return math.nan
    return float(((high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()).round(4))


def fit(claims: Sequence[Labelled], memo: Memo) -> None:
    """Choose spans and fit in turns; sets the coefficients of `app.support` in this process."""
    for _ in range(ROUNDS):
        outcomes = [o for o in judge(claims, memo) if o.features and not o.faulty]
        x = np.array([[*o.features, 1.0] for o in outcomes])
        y = np.array([o.claim.supported for o in outcomes], float)
        weights = logistic(x, y, _weights(outcomes))
        model.COEFFICIENTS = model.Features(*(round(float(w), 2) for w in weights[:-1]))
        model.CONSTANT = round(float(weights[-1]), 2)


def _weights(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Each set weighs as WEIGHTS says, its two labels alike."""
    groups: dict[tuple[str, bool], int] = defaultdict(int)
    for o in outcomes:
        groups[o.claim.name, o.claim.supported] += 1
    per = [WEIGHTS[o.claim.name] / groups[o.claim.name, o.claim.supported] for o in outcomes]
    return np.array(per) * len(outcomes) / sum(per)


# What a feature may do: more of what speaks for a claim never counts against it. Correlated
# features would else take opposite signs and fail on texts unlike those of the fit.
SIGNS = model.Features(
    cover=1, best_cover=1, uncovered=-1, asked=1, pairs=1, order=1, similarity=1, best_similarity=1, numbers=-1,
    names=-1, names_asked=-1, names_unsure=-1, context=1, quoted=-1, polarity=-1, opposite=-1, swapped=-1, denied=-1,
    spans=-1,
)  # fmt: skip


def logistic(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Ridge logistic regression with signs held, by projected gradient on standardised features."""
    middle, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3)
    middle[-1], scale[-1] = 0.0, 1.0
    signs = np.array([*astuple(SIGNS), 0.0])
    z, w = (x - middle) / scale, np.zeros(x.shape[1])
    step = 4.0 / np.linalg.norm(z * np.sqrt(weight / len(y))[:, None], 2) ** 2
    penalty = np.array([*[RIDGE / len(y)] * (x.shape[1] - 1), 0.0])
    for _ in range(5000):
        gradient = z.T @ (weight * (1 / (1 + np.exp(-z @ w)) - y)) / len(y) + penalty * w
        w = w - step * gradient
        w = np.where(signs * w < 0, 0.0, w)
    w = w / scale
    w[-1] -= w[:-1] @ middle[:-1]
    return np.asarray(w)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--fit", action="store_true", help="fit on the fit part first, and print the table")
    parser.add_argument("--held", action="store_true", help="measure the held-out part")
    parser.add_argument("--errors", metavar="SET", help="list the claims of this set that are judged wrongly")
    arguments = parser.parse_args()
    data, memo = claim_sets.data_folder(), Memo()
    claims = [*claim_sets.faithbench(data), *claim_sets.squad(data), *claim_sets.scifact(data)]
    if arguments.fit:
        fit([claim for claim in claims if claim.part == "fit"], memo)
        print_table()
    part = "held" if arguments.held else "test"
    outcomes = judge([*claim_sets.article(), *(claim for claim in claims if claim.part == part)], memo)
    report(outcomes, part, arguments.errors)


def print_table() -> None:
    """The coefficients, as they stand in app/support.py."""
    for field in fields(model.Features):
        print(f"    {field.name}={getattr(model.COEFFICIENTS, field.name)},")
    print(f"CONSTANT = {model.CONSTANT}\n")


def report(outcomes: Sequence[Outcome], part: str, errors: str | None) -> None:
    """Print the tables and write the JSON."""
    sets: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        sets[outcome.claim.name].append(outcome)
    result: dict[str, object] = {"part": part, "threshold": model.THRESHOLD, "sets": {}}
    print("set         at    supported: precision recall   unsupported: precision recall")
    for name, inside in sets.items():
        table = {f"{threshold:.2f}": figures(inside, threshold) for threshold in sorted({*THRESHOLDS, model.THRESHOLD})}
        kinds = _by_kind(inside)
        result["sets"][name] = {"claims": len(inside), "auc": area(inside), "at": table, "right_by_kind": kinds}  # type: ignore[index]
        for threshold, row in table.items():
            print(f"{name:11} {threshold}  {'':10} {'     '.join(f'{value:8.3f}' for value in row.values())}")
        print(f"{name}: {len(inside)} claims, AUC {area(inside):.3f}")
        print("  right by kind: " + ", ".join(f"{kind} {share:.2f}" for kind, share in kinds.items()) + "\n")
    times = sorted(o.milliseconds for o in outcomes)
    result["milliseconds"] = {
        "median": round(times[len(times) // 2], 1),
        "p95": round(times[int(len(times) * 0.95)], 1),
    }
    print(f"milliseconds a sentence: {result['milliseconds']}")
    for o in sets.get(errors or "", []):
        if (o.probability >= model.THRESHOLD) != o.claim.supported:
            print(f"{o.probability:.2f} {o.claim.kind:14} {o.why} | {o.claim.text}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _by_kind(outcomes: Sequence[Outcome]) -> dict[str, float]:
    kinds: dict[str, list[bool]] = defaultdict(list)
    for o in outcomes:
        kinds[f"{o.claim.kind} {'+' if o.claim.supported else '-'}"].append(
            (o.probability >= model.THRESHOLD) == o.claim.supported
        )
    return {kind: round(sum(right) / len(right), 3) for kind, right in sorted(kinds.items())}


if __name__ == "__main__":
    main()
