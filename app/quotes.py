"""Which sentences of the sources are quoted in an answer, in the source's own words.

A small model writes tersely: it leaves out most of what the sentence says that it points to, and with it facts that
were asked for; and at times it points to another sentence than the one that fits the question best. What it leaves
untold is quoted behind its words. Where a model tells it all, as larger ones do, nothing is quoted. Knows nothing of
models or of pages.
"""

from collections.abc import Sequence

from app.alignment import unsaid
from app.answer import AnswerSentence, Evidence
from app.claims import read
from app.wordlists import PRONOUNS

MOST_QUOTED = 2
UNTOLD = 0.6  # share of a cited sentence's content words that neither question nor answer has
BEST_UNTOLD = 0.3  # the same of the sentence that fits best, where nothing that is cited is it
# Words that a sentence may begin with which says little without the one before it.
LEANING = PRONOUNS | frozenset("instead but however so therefore thus yet nor".split())
LEAD = 0.02  # relevance by which the best sentence must lead to be worth a quotation


def pointed_to(sentences: Sequence[AnswerSentence]) -> tuple[Evidence, ...]:
    """The evidence that the sentences of an answer cite, each once, at most MOST_QUOTED."""
    return tuple(_cited(sentences).values())[:MOST_QUOTED]


def untold(query: str, sentences: Sequence[AnswerSentence]) -> tuple[Evidence, ...]:
    """Of the evidence that supported sentences cite, that of which they leave much untold; at most MOST_QUOTED."""
    supported = [one for one in sentences if one.verdict == "supported"]
    told = _told(query, supported)
    return tuple(item for item in pointed_to(supported) if _untold(item, told) > UNTOLD)


def passed_over(query: str, sentences: Sequence[AnswerSentence], evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The evidence that clearly fits the query best, when no supported sentence cites it or tells what it says."""
    supported = [one for one in sentences if one.verdict == "supported"]
    best, *others = sorted(evidence, key=lambda item: -item.relevance)
    if best.number in _cited(supported) or (others and best.relevance < others[0].relevance + LEAD):
        return ()
    return (best,) if _untold(best, _told(query, supported)) > BEST_UNTOLD else ()


def with_what_they_lean_on(quotes: Sequence[Evidence], evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The quotations, and before each that leans on the sentence before it that sentence, where it is evidence too."""
    before = [item for item in evidence if any(one.follows(item) for one in quotes if _leans(one))]
    return tuple(dict.fromkeys((*quotes, *before)))


def _leans(item: Evidence) -> bool:
    words = (token.word for token in read(item.span.text).tokens if token.word.isalpha())
    return next(words, "") in LEANING


def _cited(sentences: Sequence[AnswerSentence]) -> dict[int, Evidence]:
    return {citation.evidence.number: citation.evidence for one in sentences for citation in one.citations}


def _told(query: str, sentences: Sequence[AnswerSentence]) -> frozenset[str]:
    return frozenset().union(read(query).stem_set, *(read(one.text).stem_set for one in sentences))


def _untold(item: Evidence, told: frozenset[str]) -> float:
    stems = read(item.span.text).stem_set
    return len(unsaid(stems, told)) / max(1, len(stems))
