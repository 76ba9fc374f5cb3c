"""Which sentences of the sources are quoted in an answer, in the source's own words.

A small model writes tersely: it leaves out most of what the sentence says that it points to, and
with it facts that were asked for. What it leaves untold is quoted behind its words. Where a
model tells it all, as larger ones do, nothing is quoted. Knows nothing of models or of pages.
"""

from collections.abc import Sequence

from app.answer import AnswerSentence, Evidence
from app.claims import read
from app.support import unsaid

MOST_QUOTED = 2
UNTOLD = 0.6  # share of a cited sentence's content words that neither question nor answer has


def pointed_to(sentences: Sequence[AnswerSentence]) -> tuple[Evidence, ...]:
    """The evidence that the sentences of an answer cite, each once, at most MOST_QUOTED."""
    cited = {citation.evidence.number: citation.evidence for one in sentences for citation in one.citations}
    return tuple(cited.values())[:MOST_QUOTED]


def untold(query: str, sentences: Sequence[AnswerSentence]) -> tuple[Evidence, ...]:
    """Of the evidence that supported sentences cite, that of which they leave much untold; at most MOST_QUOTED."""
    supported = [one for one in sentences if one.verdict == "supported"]
    told = frozenset().union(read(query).stem_set, *(read(one.text).stem_set for one in supported))
    return tuple(item for item in pointed_to(supported) if _untold(item, told))


def _untold(item: Evidence, told: frozenset[str]) -> bool:
    stems = read(item.span.text).stem_set
    return len(unsaid(stems, told)) > UNTOLD * len(stems)
