"""Who is said to do something, and what answers a question: whether the source says that, or has its words alone.

Knows nothing of verdicts.
"""

from collections.abc import Sequence

from app.alignment import unsaid
from app.claims import Reading
from app.wordlists import BEING

APART = 0.5  # of the asked words that the claim repeats, by how much more one sentence holds than the other
BASED = ({"-"}, {"-", "based"})  # what joins two nouns to one: "Oslo-based museum"
ANSWERED = 0.5  # share of the answering words in a sentence that has the answer
AGENT = 4  # tokens behind a "by" in which its name begins


def unstated(claim: Reading, spans: Sequence[Reading]) -> str:
    """What is said to be done by somebody, where a span only joins the two by a hyphen; "" when there is nothing.

    "The institute is funded by Singapore", where the source tells of a "Singapore-based institute". Not where it has
    "Spielberg's film", "a film of Spielberg" or "a study in Nature": those may well say by whom it was made.
    """
    said = frozenset().union(*(span.stem_set for span in spans))
    for at in range(2, len(claim.tokens)):
        verb = claim.tokens[at - 1]
        passive = claim.tokens[at].word == "by" and any(t.word in BEING for t in claim.tokens[max(0, at - 4) : at - 1])
        if not (passive and verb.stem) or not unsaid(frozenset({verb.stem}), said):
            continue
        agent = next((frozenset(n.words) for n in claim.names if at < n.position <= at + AGENT), frozenset())
        patient = frozenset(stem for stem, place in claim.stems if place < at - 1)
        if agent and any(_hyphened(span, agent, patient) for span in spans):
            return verb.word
    return ""


def asked_elsewhere(claim: Reading, question: Reading, one: Reading, other: Reading) -> bool:
    """Whether one of two sentences has the claim's answer and the other what was asked, so that neither answers it.

    "The oldest arena in use is the Garden", where the Garden stands in the one and the oldest arena in the other.
    """
    asked = claim.stem_set & question.stem_set
    less, more = sorted((one, other), key=lambda span: _share(asked, span))
    apart = bool(asked) and _share(asked, more) - _share(asked, less) >= APART
    return apart and _answers(claim, question, less) >= ANSWERED > _answers(claim, question, more)


def _answers(claim: Reading, question: Reading, span: Reading) -> float:
    """Share of the words and numbers with which the claim answers the question that stand in the span."""
    words = claim.stem_set - question.stem_set
    said = len(words) - len(unsaid(words, span.stem_set | span.initials))
    numbers = sum(any(number.agrees(other) for other in span.numbers) for number in claim.numbers)
    return (said + numbers) / max(1, len(words) + len(claim.numbers))


def _hyphened(span: Reading, agent: frozenset[str], patient: frozenset[str]) -> bool:
    """Whether the two stand in the span with a hyphen between them, and no other word than "based"."""
    agents = [at for at, token in enumerate(span.tokens) if token.word in agent]
    others = [at for stem, at in span.stems if stem in patient and span.tokens[at].word not in agent]
    pairs = ((min(one, two), max(one, two)) for one in agents for two in others)
    between = ({token.word for token in span.tokens[a + 1 : b]} for a, b in pairs)
    return any(words in BASED for words in between)


def _share(part: frozenset[str], whole: Reading) -> float:
    return 1 - len(unsaid(part, whole.stem_set | whole.initials)) / max(1, len(part))
