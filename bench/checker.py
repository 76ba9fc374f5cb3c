"""Measure the checker on labelled claims.

    python -m bench.checker            # tables, and JSON and Markdown in bench/results
    python -m bench.checker --held     # the held-out documents instead: once, at a release

The sets are described in `bench/claim_sets.py`; `bench/checker_fit.py` fits the coefficients.
"""

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from app import support as model
from app.answer import Evidence
from app.check import Checker, Session
from app.emptiness import empty
from app.support import reason
from bench import claim_sets
from bench.claim_sets import Labelled
from bench.logistic import area_under_roc
from bench.remember import Remembering
from bench.report import Table, write
from ingest.embed import Embedder, LocalEmbedder
from ingest.sentences import sentence_spans

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Outcome:
    """A claim as judged: `logit` before faults."""

    claim: Labelled
    probability: float
    logit: float
    features: tuple[float, ...]
    faulty: bool
    why: str


def judge(claims: Sequence[Labelled], embedder: Embedder) -> list[Outcome]:
    """Check every claim against the sentences of its document."""
    checker = Checker(embedder.embed)
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
    """As `Session.check`, with what it was decided by."""
    why = empty(claim.text, claim.question)
    if why:
        return Outcome(claim, 0.0, -9.0, (), True, why)
    found = session.judge(claim.text, claim.cited).support
    why = "" if found.probability >= model.THRESHOLD else reason(found)
    return Outcome(claim, found.probability, found.logit, astuple(found.features), bool(found.faults), why)


def milliseconds(claims: Sequence[Labelled]) -> dict[str, float]:
    """Median and p95 of the check of one sentence whose evidence is read, its embedding included."""
    checker, times = Checker(LocalEmbedder().embed), []
    for claim in claims:
        session = checker.start(claim.question, _evidence(claim))
        session.check("The evidence is read at the first check.", ())
        started = time.perf_counter()
        session.check(claim.text, claim.cited)
        times.append(1000 * (time.perf_counter() - started))
    times.sort()
    return {"median": round(times[len(times) // 2], 1), "p95": round(times[int(len(times) * 0.95)], 1)}


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
    labels = np.array([o.claim.supported for o in outcomes], bool)
    return area_under_roc(np.array([o.probability for o in outcomes]), labels)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--held", action="store_true", help="measure the held-out part")
    parser.add_argument("--errors", metavar="SET", help="list the claims of this set that are judged wrongly")
    arguments = parser.parse_args()
    part = "held" if arguments.held else "test"
    claims = [*claim_sets.article(), *(claim for claim in claim_sets.public() if claim.part == part)]
    report(judge(claims, Remembering()), milliseconds(claims[::8]), part, arguments.errors)


def report(outcomes: Sequence[Outcome], times: dict[str, float], part: str, errors: str | None) -> None:
    """Print the tables and write them, and the figures at other thresholds, to bench/results."""
    sets: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        sets[outcome.claim.name].append(outcome)
    found = {name: _of_set(inside) for name, inside in sets.items()}
    rows = [
        [name, str(one["claims"]), *_cells(one["at"][f"{model.THRESHOLD:.2f}"]), f"{one['auc']:.3f}"]
        for name, one in found.items()
    ]
    kinds = [
        [name, kind[:-2], "supported" if kind.endswith("+") else "unsupported", f"{100 * right:.0f}", str(count)]
        for name, one in found.items()
        for kind, (right, count) in one["right_by_kind"].items()
    ]
    speed = f"A sentence takes {times['median']} ms (median; p95 {times['p95']})."
    tables = [
        Table(
            "The checker",
            ("set", "claims", "supported: precision", "recall", "unsupported: precision", "recall", "AUC"),
            rows,
            speed,
        ),
        Table("By kind", ("set", "kind", "label", "judged rightly, %", "of"), kinds),
    ]
    name = "checker" if part == "test" else f"checker-{part}"
    write(name, {"part": part, "threshold": model.THRESHOLD, "sets": found, "milliseconds": times}, tables)
    for o in sets.get(errors or "", []):
        if (o.probability >= model.THRESHOLD) != o.claim.supported:
            print(f"{o.probability:.2f} {o.claim.kind:14} {o.why} | {o.claim.text}")


def _of_set(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    thresholds = sorted({*THRESHOLDS, model.THRESHOLD})
    at = {f"{threshold:.2f}": figures(outcomes, threshold) for threshold in thresholds}
    return {"claims": len(outcomes), "auc": area(outcomes), "at": at, "right_by_kind": _by_kind(outcomes)}


def _cells(row: dict[str, float]) -> list[str]:
    return [f"{100 * value:.1f}" for value in row.values()]


def _by_kind(outcomes: Sequence[Outcome]) -> dict[str, tuple[float, int]]:
    """Kind and label -> the share judged rightly, and of how many."""
    kinds: dict[str, list[bool]] = defaultdict(list)
    for o in outcomes:
        kinds[f"{o.claim.kind} {'+' if o.claim.supported else '-'}"].append(
            (o.probability >= model.THRESHOLD) == o.claim.supported
        )
    return {kind: (round(sum(right) / len(right), 3), len(right)) for kind, right in sorted(kinds.items())}


if __name__ == "__main__":
    main()
