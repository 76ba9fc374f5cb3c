"""Clauses: of whom they say something, and what; whether a source says that, and of the same.

Reads English by its auxiliaries alone. Knows nothing of verdicts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.alignment import unsaid
from app.claims import Reading
from app.wordlists import AUXILIARIES, BEING, DEFINITE, JOINING, LIGHT_VERBS, LINKING

SAME_SUBJECT = 0.5  # share of a subject's words that the other side must have to speak of the same
ELSEWHERE = 0.75  # share of a subject's words in another sentence that speaks of it
SAME_PREDICATE = 0.75  # share of the claim's predicate in the span
PREDICATE_STEMS = 3  # content words at least, or the predicate tells nothing
HEAD = 4  # tokens behind an auxiliary in which the predicate's first content word stands
SHORT = 2  # content words at most of a description that may point back ("the new law")
APART = 0.5  # of the asked words that the claim repeats, by how much more one sentence holds than the other
ANSWERED = 0.5  # share of the answering words in a sentence that has the answer
AGENT = 4  # tokens behind a "by" in which its name begins
_STOPS = frozenset(",;–!?.")


@dataclass(frozen=True)
class Clause:
    """`subject` and `predicate` are content stems; `head` is the predicate's first.

    `pointing` is true of a subject that may point back: a pronoun, or a short description without a name.
    """

    subject: frozenset[str]
    predicate: frozenset[str]
    head: str
    pointing: bool
    shown: str


def clauses(reading: Reading) -> Iterator[Clause]:
    """The clauses that an auxiliary marks and that have a subject of their own."""
    tokens = reading.tokens
    for at in range(1, len(tokens)):
        if tokens[at].word not in AUXILIARIES or tokens[at].capital:
            continue
        if tokens[at - 1].word in AUXILIARIES or tokens[at - 1].word in JOINING:
            continue
        start = next((n + 1 for n in range(at - 1, -1, -1) if tokens[n].word in _STOPS), 0)
        subject = _stems(reading, start, at)
        head = next((stem for stem, place in reading.stems if at < place <= at + HEAD), "")
        if subject and head and not (start and tokens[start].word in JOINING):
            shown = " ".join(token.word for token in tokens[start:at])
            yield Clause(subject, _stems(reading, at, _end(reading, at)), head, _pointing(reading, start, at), shown)


def said_of_another(claim: Reading, spans: Sequence[Reading], evidence: Sequence[Reading]) -> str:
    """Of whom a span says what the claim says of somebody whom only other sentences are about; "" when of the same.

    "Bell metal can lift a ton", where one sentence tells of bell metal and another that a magnet can lift a ton.
    A subject that no sentence of the evidence has may be another word for the same, and so may one that points back.
    """
    for clause in clauses(claim):
        if clause.pointing or len(clause.predicate) < PREDICATE_STEMS:
            continue
        holders = [span for span in spans if _share(clause.predicate, span) >= SAME_PREDICATE]
        if any(_share(clause.subject, span) >= SAME_SUBJECT for span in holders):
            continue
        if not any(_share(clause.subject, one) >= ELSEWHERE for one in evidence):
            continue
        for other in (other for span in holders for other in clauses(span)):
            same = len(unsaid(other.subject, clause.subject)) <= SAME_SUBJECT * len(other.subject)
            if other.head == clause.head and not (other.pointing or same):
                return other.shown
    return ""


def unstated(claim: Reading, spans: Sequence[Reading]) -> str:
    """What is said to be done by somebody, where a span only names the two in one breath; "" when there is nothing.

    "The institute is funded by Singapore", where the source tells of a "Singapore-based institute".
    """
    said = frozenset().union(*(span.stem_set for span in spans))
    for at in range(2, len(claim.tokens)):
        verb = claim.tokens[at - 1]
        passive = claim.tokens[at].word == "by" and any(t.word in BEING for t in claim.tokens[max(0, at - 4) : at - 1])
        if not (passive and verb.stem) or verb.stem in LIGHT_VERBS or not unsaid(frozenset({verb.stem}), said):
            continue
        agent = next((frozenset(n.words) for n in claim.names if at < n.position <= at + AGENT), frozenset())
        patient = frozenset(stem for stem, place in claim.stems if place < at - 1)
        if agent and any(_in_one_breath(span, agent, patient) for span in spans):
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


def _in_one_breath(span: Reading, agent: frozenset[str], patient: frozenset[str]) -> bool:
    """Whether the two stand in the span with nothing between them but words that link nouns."""
    agents = [at for at, token in enumerate(span.tokens) if token.word in agent]
    others = [at for stem, at in span.stems if stem in patient and span.tokens[at].word not in agent]
    pairs = ((min(one, two), max(one, two)) for one in agents for two in others)
    return any(all(token.word in LINKING for token in span.tokens[a + 1 : b]) for a, b in pairs)


def _stems(reading: Reading, start: int, end: int) -> frozenset[str]:
    return frozenset(stem for stem, at in reading.stems if start <= at < end)


def _end(reading: Reading, start: int) -> int:
    """Where a clause ends: before a mark with a word that joins another."""
    tokens = reading.tokens
    ends = (at for at in range(start, len(tokens) - 1) if tokens[at].word in _STOPS and tokens[at + 1].word in JOINING)
    return next(ends, len(tokens))


def _pointing(reading: Reading, start: int, end: int) -> bool:
    """Whether a subject may stand for what was named before: "they", "it", "the company"."""
    words = reading.tokens[start:end]
    alone = any(t.word in DEFINITE - {"the"} and not following.stem for t, following in pairwise(words))
    if alone or words[-1].word in DEFINITE:
        return True
    named = any(start <= name.position < end and name.certain for name in reading.names)
    return words[0].word in DEFINITE and not named and len(_stems(reading, start, end)) <= SHORT


def _share(part: frozenset[str], whole: Reading) -> float:
    return 1 - len(unsaid(part, whole.stem_set | whole.initials)) / max(1, len(part))
