"""A linear probe: what a model makes of a request, read from the logits of its first word.

A model knows better than it says whether a text answers a question: its last hidden state tells the two apart where
the probabilities of Yes and No do not (Alain and Bengio, arXiv 1610.01644; Slobodkin et al., arXiv 2310.11877, of
questions without an answer). Logits are linear in that state, so a weighted sum of those of some thousand fixed
tokens is a linear probe of it. The weights are for one file of weights alone; `python -m bench.probe` fits them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

Kind = Literal["holds", "confirmed"]  # the sentences say the answer; the cited text says that this is it
FILE = Path(__file__).parent / "probe.json"
LEAST = 1e-38  # the share taken for a token that is too unlikely to be told


@dataclass(frozen=True)
class Weights:
    """Of one kind of request: a number for each token, and the constant."""

    tokens: np.ndarray
    constant: float


@dataclass(frozen=True)
class Probe:
    """For the weights file with this SHA-256: the ids of the tokens asked for, and their weights by kind of request."""

    sha256: str
    tokens: tuple[int, ...]
    weights: Mapping[Kind, Weights]

    def log_odds(self, kind: Kind, shares: Sequence[tuple[int, float]]) -> float | None:
        """Log-odds of Yes by the share (0 to 1) of each token, by id, among `tokens`; None without shares."""
        if not shares:
            return None
        found = self.weights[kind]
        return float(features(self.tokens, shares) @ found.tokens) + found.constant


def features(tokens: Sequence[int], shares: Sequence[tuple[int, float]]) -> np.ndarray:
    """Logits of `tokens`, in their order, less their mean."""
    told = dict(shares)
    logits = np.log([max(told.get(token, 0.0), LEAST) for token in tokens])
    return np.asarray(logits - logits.mean())


@cache
def packaged_probe() -> Probe:
    """That of the packaged model."""
    held = json.loads(FILE.read_text("utf-8"))
    weights: dict[Kind, Weights] = {
        kind: Weights(np.array(held[kind]["tokens"]), held[kind]["constant"]) for kind in ("holds", "confirmed")
    }
    return Probe(held["sha256"], tuple(held["tokens"]), weights)
