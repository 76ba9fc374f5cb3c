"""Abstain by machine: do the sources hold the answer at all? Two gates, one before and one after writing.

Before: a logistic mix of how near the best evidence sentence is to the question in meaning and how likely
the model says "no" when it is asked whether the sentences hold the answer.
After: an answer of which no sentence is borne out is no answer.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from app import prompt
from app.answer import AnswerSentence, Evidence
from app.check import Session
from app.meter import Metered
from ingest.lexical import guess_language, query_tokens, tokens

# Fitted by `python -m bench.gates` on labelled questions whose answer is, or is not, in the evidence.
SIMILARITY, MISSING, BIAS = 3.8, -3.0, -2.1
CERTAIN = -0.9  # log-odds of `missing`
HOPELESS = 0.12  # similarity below which, with no word in common, the model is not even asked
_WHOLE = re.compile(
    r"\b(?:summar\w+|gist|overview|conclusions?|main (?:argument|point|idea|claim|thesis|message)s?)\b"
    r"|\bwhat (?:is|are) (?:this|the|these) (?:article|text|source|document)s? (?:about|saying)",
    re.IGNORECASE,
)
SUREST = 3.0  # log-odds beyond which a model's view counts no more


@dataclass(frozen=True)
class Fit:
    """How well the evidence fits the question.

    `cover`: greatest share of the question's words in one sentence. `similarity`: cosine of the
    nearest sentence. `missing`: log-odds, in the model's view, that the sentences do not hold the answer.
    """

    cover: float
    similarity: float
    missing: float = 0.0


def fit(query: str, evidence: Sequence[Evidence], session: Session) -> Fit:
    """Measure the evidence against the question, without a model that chats."""
    language = guess_language(query)
    asked = set(query_tokens(query, [language]))
    held = [set(tokens(f"{item.metadata.title} {item.span.text}", language)) for item in evidence]
    vector = session.embed([query])[0]
    cover = max(len(asked & words) for words in held) / max(1, len(asked))
    return Fit(cover, float((session.vectors @ vector).max()))


def worth_asking(found: Fit) -> bool:
    """False when nothing that was found has anything to do with the question."""
    return found.cover > 0 or found.similarity >= HOPELESS


def missing(chat: Metered, query: str, evidence: Sequence[Evidence]) -> float:
    """Log-odds of "no" when the model is asked whether the sentences hold the answer. Raises `ModelError`.

    The request begins as that for the answer, so the endpoint reads the evidence once for both. How likely
    the word is tells more than the word: left to choose, a small model hardly ever declines (the
    probability of a self-evaluation: Kadavath et al., "Language Models (Mostly) Know What They Know",
    arXiv 2207.05221). On the development questions it parts what is answered from what is not with an
    area under the curve of 0.94; asked for the number of the sentence, or 0, the model reached 0.87.
    """
    piece = chat.complete(prompt.holds(query, evidence), max_tokens=1, logprobs=20)
    shares = [(token, math.exp(logprob)) for token, logprob in piece.logprobs] or [(piece.text, 1.0)]
    odds = math.log((_share(shares, "no") + 1e-4) / (_share(shares, "yes") + 1e-4))
    return max(-SUREST, min(SUREST, odds))


def _share(shares: Sequence[tuple[str, float]], word: str) -> float:
    return sum(share for token, share in shares if token.strip(" .").casefold() == word)


def score(found: Fit) -> float:
    """The log-odds that the evidence holds the answer."""
    return BIAS + SIMILARITY * found.similarity + MISSING * found.missing


def answerable(found: Fit) -> bool:
    """The gate before writing."""
    return score(found) >= 0


def asks_for_the_whole(query: str) -> bool:
    """Does the question ask what a text says on the whole? No single sentence is the answer then."""
    return bool(_WHOLE.search(query))


def sure(found: Fit) -> bool:
    """Is the model so certain where the answer stands that its words failing the check is no refusal?"""
    return found.missing <= CERTAIN


def answered(sentences: Sequence[AnswerSentence]) -> bool:
    """The gate after writing: is at least one sentence borne out?"""
    return any(sentence.verdict == "supported" for sentence in sentences)
