"""Fit the checker's coefficients to labelled claims, and compare them with those of app/support.py out of sample.

    python -m bench.checker_fit

Logistic regression with a ridge and with signs held, on the "fit" part of each public set. It is worth adopting only
if it is better on claims of other documents ("test") and of sets that it was not fitted to. What is missing or
contradicted outright stays decisive whatever the fit says. Knows nothing of the held-out documents.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from app.support import COEFFICIENTS, CONSTANT, THRESHOLD, Features
from bench import claim_sets
from bench.checker import Outcome, area, figures, judge
from bench.remember import Remembering

# How much a set weighs: human labels on a model's sentences are the nearest to our use.
WEIGHTS = {"faithbench": 1.0, "squad": 1.0, "scifact": 0.3}
RIDGE, STEPS = 3.0, 6000
# More of what speaks against a claim never counts for it, nor the reverse. Correlated features would else take
# opposite signs and fail on texts unlike those of the fit.
AGAINST = frozenset({"uncovered", "names_asked", "names_unsure", "swapped", "spans"})
NAMES = tuple(vars(COEFFICIENTS))


def fit(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Coefficients in the order of NAMES, and the constant, from claims in which nothing is missing outright."""
    whole = [o for o in outcomes if o.features and not o.faulty]
    x = np.array([[*o.features, 1.0] for o in whole])
    return _logistic(x, np.array([o.claim.supported for o in whole], float), _weights(whole))


def _weights(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Each set weighs as WEIGHTS says, its two labels alike."""
    groups = Counter((o.claim.name, o.claim.supported) for o in outcomes)
    each = np.array([WEIGHTS[o.claim.name] / groups[o.claim.name, o.claim.supported] for o in outcomes])
    return each * len(outcomes) / each.sum()


def _logistic(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """By projected gradient on standardised features; the last column of `x` is the constant."""
    middle, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3)
    middle[-1], scale[-1] = 0.0, 1.0
    signs = np.array([*(-1.0 if name in AGAINST else 1.0 for name in NAMES), 0.0])
    z, w = (x - middle) / scale, np.zeros(x.shape[1])
    step = 4.0 / np.linalg.norm(z * np.sqrt(weight / len(y))[:, None], 2) ** 2
    penalty = np.array([*[RIDGE / len(y)] * len(NAMES), 0.0])
    for _ in range(STEPS):
        w = w - step * (z.T @ (weight * (1 / (1 + np.exp(-z @ w)) - y)) / len(y) + penalty * w)
        w = np.where(signs * w < 0, 0.0, w)
    w = w / scale
    w[-1] -= w[:-1] @ middle[:-1]
    return np.asarray(w)


def rejudged(outcomes: Sequence[Outcome], coefficients: np.ndarray) -> list[Outcome]:
    """The outcomes under other coefficients, the same spans chosen."""
    return [_rejudged(o, coefficients) for o in outcomes]


def _rejudged(o: Outcome, coefficients: np.ndarray) -> Outcome:
    if not o.features:
        return o
    logit = float(np.dot([*o.features, 1.0], coefficients))
    probability = 1 / (1 + float(np.exp(-logit)))
    probability = min(probability, THRESHOLD / 2) if o.faulty else probability
    return Outcome(o.claim, probability, logit, o.features, o.faulty, o.why)


def balanced(outcomes: Sequence[Outcome]) -> float:
    """The mean of the recalls of both verdicts."""
    found = figures(outcomes, THRESHOLD)
    return (found["supported_recall"] + found["unsupported_recall"]) / 2


def main() -> None:
    """Fit, print the coefficients, and both sets of them on claims that the fit has not seen."""
    claims = [claim for claim in claim_sets.public() if claim.part in ("fit", "test")]
    outcomes = judge([*claim_sets.article(), *claims], Remembering())
    seen = [o for o in outcomes if _fitted_to(o)]
    fitted, hand = fit(seen), np.array([*vars(COEFFICIENTS).values(), CONSTANT])
    print(Features(*(round(float(w), 2) for w in fitted[:-1])), round(float(fitted[-1]), 2))
    print(f"{'claims':34} balanced accuracy, AUC: by hand   fitted")
    for name in ("article", *WEIGHTS):
        new = [o for o in outcomes if o.claim.name == name and not _fitted_to(o)]
        _compare(f"{name}, other documents", new, hand, fitted)
    for name in WEIGHTS:
        elsewhere = fit([o for o in seen if o.claim.name != name])
        _compare(f"{name}, fitted to other sets", [o for o in outcomes if o.claim.name == name], hand, elsewhere)


def _fitted_to(o: Outcome) -> bool:
    return o.claim.name in WEIGHTS and o.claim.part == "fit"


def _compare(title: str, outcomes: Sequence[Outcome], *coefficients: np.ndarray) -> None:
    cells = [(balanced(found), area(found)) for found in (rejudged(outcomes, one) for one in coefficients)]
    print(f"{title:34} " + "   ".join(f"{share:.3f} {under:.3f}" for share, under in cells))


if __name__ == "__main__":
    main()
