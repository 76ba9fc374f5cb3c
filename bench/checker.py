"""Measure the checker on labelled claims.

    python -m bench.checker            # tables, and JSON and Markdown in bench/results
    python -m bench.checker --held     # the held-out documents instead: once, at a release

The sets are described in `bench/claim_sets.py`; `bench/checker_fit.py` fits the coefficients.
"""

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from app import support as model
from app.answer import Evidence
from app.check import Checker, Session
from app.emptiness import empty
from app.support import reason
from bench import claim_sets
from bench.claim_sets import Labelled
from bench.remember import Remembering
from ingest.embed import Embedder, LocalEmbedder
from ingest.sentences import sentence_spans

RESULTS = Path(__file__).parent / "results" / "checker.json"
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
    high = np.array([o.probability for o in outcomes if o.claim.supported])
    low = np.array([o.probability for o in outcomes if not o.claim.supported])
    if not len(high) or not len(low):
        return math.nan
    return float(((high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()).round(4))


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
    result["milliseconds"] = times
    print(f"milliseconds a sentence: {times}")
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
