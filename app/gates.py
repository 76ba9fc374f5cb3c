"""Abstain by machine: do the sources hold the answer at all?

Before the model is asked: nothing that was found has to do with the question. Before a sentence is told, where the
endpoint tells log-probabilities: a logistic mix of three views of the answer, the model's on all evidence, the model's
on the cited text alone, and the checker's; it ends the reply at its beginning when that leaves no hope. An answer of
which no sentence is borne out is no answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.answer import AnswerSentence, Evidence
from app.check import Session
from ingest.lexical import guess_language, query_tokens, tokens

UNRELATED = 0.12  # similarity below which, with no word in common, the model is not even asked
_IT = (
    r"(?:it|this|that|(?:the|this|these) (?:\w+ )?(?:article|text|source|document|piece|essay|report|author|writer)s?)"
)
_GIST = r"(?:summary|overview|gist|conclusions?|(?:main|central|key) (?:argument|point|idea|claim|thesis|message)s?)"
_LENGTH = r"(?: in (?:\w+ ){1,4}(?:word|line|sentence|paragraph|point)s?)?"
_END = rf"{_LENGTH}(?:,? please)?\W*$"
_WHOLE = re.compile(
    rf"^\W*(?:(?:please|can you|could you|would you)\W+)*(?:summari[sz]e|sum)(?: {_IT})?(?: up)?(?: for me)?{_END}"
    r"|\b(?:give|write|show|tell|what(?:['’]s| is| are))\b(?: me| us)?(?: an?| the| its)?(?: \w+)? "
    rf"{_GIST}(?: of {_IT})?{_END}"
    rf"|\bwhat(?:['’]s| is| are| does| do) {_IT} (?:\w+ )?(?:about|say|saying|argue|arguing)\W*$"
    r"|^\W*tl;?dr\W*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Fit:
    """How well the evidence fits the question.

    `cover`: greatest share of the question's words in one sentence. `similarity`: cosine of the nearest sentence.
    """

    cover: float
    similarity: float


@dataclass(frozen=True)
class Mix:
    """Coefficients of a logistic mix of views.

    `most_holds`, `most_confirmed`: log-odds beyond which a model's view counts no more. `unasked`: what is taken for
    `confirmed` where the model could not be asked.
    """

    holds: float
    confirmed: float
    support: float
    constant: float
    most_holds: float
    most_confirmed: float
    unasked: float


# Of what a model says by its first word. From a fit to the 70 development questions about the article and 60 on
# Wikipedia, as answered before denials were looked into; `python -m bench.gates --fit` fits to what is answered now,
# and refused no fewer of the answerable ones.
SAID = Mix(2.2, 0.5, 1.4, -2.9, most_holds=3.0, most_confirmed=3.0, unasked=3.0)
# Of what the packaged model's probe reads (`app.probe`), whose weights are scaled to it by `python -m bench.probe`;
# that prints the coefficient of support. A confirmation counts only so far: more of it never made up for evidence of
# which the model thinks little.
PROBED = Mix(1.0, 1.0, 0.441, 0.0, most_holds=6.0, most_confirmed=1.5, unasked=0.0)


@dataclass(frozen=True)
class Grounds:
    """What speaks for an answer.

    `holds`: log-odds, in the model's view, that the sentences say the answer, by its probe or the first word of its
    reply, whatever it was then made to write. Left to choose, a small model hardly ever declines. `confirmed`:
    log-odds that the cited text says it (`app.confirm`); None when the model could not be asked.
    `support`: the checker's probability, 0 to 1. `mix`: by what they are weighed.
    """

    holds: float
    confirmed: float | None
    support: float
    mix: Mix = SAID


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
    return found.cover > 0 or found.similarity >= UNRELATED


def score(grounds: Grounds) -> float:
    """The log-odds that the sources hold the answer."""
    holds, confirmed, support = views(grounds)
    mix = grounds.mix
    return mix.constant + mix.holds * holds + mix.confirmed * confirmed + mix.support * support


def views(grounds: Grounds) -> tuple[float, float, float]:
    """The features of the mix: holds and confirmed, bounded as it says, and support."""
    mix = grounds.mix
    confirmed = mix.unasked if grounds.confirmed is None else grounds.confirmed
    return _bounded(grounds.holds, mix.most_holds), _bounded(confirmed, mix.most_confirmed), grounds.support


def answerable(grounds: Grounds) -> bool:
    """The gate before a sentence is told."""
    return score(grounds) >= 0


def hopeless(holds: float, mix: Mix = SAID) -> bool:
    """Could no answer pass any more, whatever the other views?"""
    return not answerable(Grounds(holds, mix.most_confirmed, 1.0, mix))


def asks_for_the_whole(query: str) -> bool:
    """Does the question ask what a text says on the whole? No single sentence is the answer then."""
    return bool(_WHOLE.search(query))


def answered(sentences: Sequence[AnswerSentence]) -> bool:
    """Is at least one sentence borne out?"""
    return any(sentence.verdict == "supported" for sentence in sentences)


def _bounded(odds: float, most: float) -> float:
    return max(-most, min(most, odds))
