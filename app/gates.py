"""Abstain by machine: do the sources hold the answer at all? Two gates, one before and one after writing.

Before: a logistic mix of how well the best evidence sentence covers the question's words, how near
it is in meaning, and how likely the model holds "yes" for the answer to "do the sentences contain
the answer?" (its probability, not its choice: offered a refusal, a small model overuses it).
After: an answer of which no sentence is borne out is no answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app import prompt
from app.answer import AnswerSentence, Evidence
from app.check import Session
from app.meter import Metered
from ingest.lexical import guess_language, query_tokens, tokens

# Fitted on labelled questions whose answer is, or is not, in the evidence.
WEIGHT_COVER = 2.2
WEIGHT_SIMILARITY = 3.0
WEIGHT_MODEL = 4.0
BIAS = -5.0
THRESHOLD = 0.0
HOPELESS = 0.12  # similarity below which, with no word in common, the model is not even asked
SUREST = 3.0  # log-odds beyond which a model's "yes" or "no" counts no more


@dataclass(frozen=True)
class Fit:
    """How well the best evidence sentence fits the question: share of its words, cosine similarity."""

    cover: float
    similarity: float


def fit(query: str, evidence: Sequence[Evidence], session: Session) -> Fit:
    """Measure the evidence against the question."""
    language = guess_language(query)
    asked = set(query_tokens(query, [language]))
    held = [set(tokens(f"{item.metadata.title} {item.span.text}", language)) for item in evidence]
    vector = session.embed([query])[0]
    cover = max(len(asked & words) for words in held) / max(1, len(asked))
    return Fit(cover, float((session.vectors @ vector).max()))


def worth_asking(found: Fit) -> bool:
    """False when nothing that was found has anything to do with the question."""
    return found.cover > 0 or found.similarity >= HOPELESS


def belief(model: Metered, query: str, evidence: Sequence[Evidence]) -> float:
    """Log-odds that the evidence holds the answer, in the model's view. Raises `ModelError`."""
    piece = model.complete(prompt.doubt(query, evidence), max_tokens=4, logprobs=20)
    share = {"yes": 0.0, "no": 0.0}
    for token, logprob in piece.logprobs:
        word = token.strip().lower()
        if word in share:
            share[word] += math.exp(logprob)
    if not any(share.values()):
        said = piece.text.strip().lower()
        return SUREST if said.startswith("yes") else -SUREST if said.startswith("no") else 0.0
    odds = math.log((share["yes"] + 1e-6) / (share["no"] + 1e-6))
    return max(-SUREST, min(SUREST, odds))


def answerable(found: Fit, odds: float) -> bool:
    """The gate before writing."""
    return _score(found, odds) >= THRESHOLD


def answered(sentences: Sequence[AnswerSentence]) -> bool:
    """The gate after writing: is at least one sentence borne out?"""
    return any(sentence.verdict == "supported" for sentence in sentences)


def _score(found: Fit, odds: float) -> float:
    return BIAS + WEIGHT_COVER * found.cover + WEIGHT_SIMILARITY * found.similarity + WEIGHT_MODEL * odds
