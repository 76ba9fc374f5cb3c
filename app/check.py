"""Claim + evidence -> verdict: each answer sentence is held against the spans that it cites.

Where those do not bear it out, better spans are looked for; where none do, the sentence is marked.
The check is against what the spans say, never against where the model took it from (Wallat et al.,
"Correctness is not Faithfulness in RAG Attributions", arXiv 2412.18004). Knows nothing of models.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from app.alignment import unsaid
from app.answer import AnswerSentence, Citation, Evidence
from app.asked import unanswering
from app.claims import Reading, flat, read
from app.emptiness import empty
from app.mentions import ClaimRead, Source
from app.polarity import SAME, denies
from app.predicates import asked_elsewhere
from app.support import THRESHOLD, Support, gained, reason, support
from app.yes_no import turned
from ingest.document import Metadata

Embed = Callable[[Sequence[str]], np.ndarray]

MOST_CITATIONS = 3
CANDIDATES = 8  # spans looked at closely when the cited ones do not do
WORTH_JOINING = 0.4  # log-odds that a further span must add
FRAGMENT_STEMS = 4  # a sentence with fewer content words is read together with the question


class Checker:
    """Holds answer sentences against evidence; safe to use from several threads."""

    def __init__(self, embed: Embed) -> None:
        """`embed` turns texts into unit vectors: float32, (n, dimension)."""
        self._embed = embed

    def start(self, question: str, evidence: Sequence[Evidence]) -> "Session":
        """Read and embed the evidence of one question, once. `evidence` may be empty."""
        vectors = self._embed([item.span.text for item in evidence]) if evidence else np.zeros((0, 1))
        return Session(self._embed, question, tuple(evidence), vectors)


@dataclass(frozen=True)
class Judged:
    """Spans, as indexes of the evidence, and how far they bear out the claim."""

    chosen: tuple[int, ...]
    support: Support


@dataclass(frozen=True)
class Session:
    """The evidence of one question, read and embedded. Made by `Checker.start`."""

    embed: Embed
    question: str
    evidence: tuple[Evidence, ...]
    vectors: np.ndarray

    def check(self, text: str, cited: Sequence[int]) -> AnswerSentence:
        """Judge one finished answer sentence.

        `cited` are the evidence numbers that the model pointed to; numbers that do not exist are
        ignored. The result cites the spans that bear the sentence out, at most MOST_CITATIONS: cited
        ones where they do, better ones where they do not. Of an unsupported sentence the citations
        are the nearest of what was cited (the first, when it claims nothing), none if nothing was.
        """
        why = empty(text, self.question)
        pointed = self._indexes(cited)
        if why or not self.evidence:
            named = tuple(Citation(self.evidence[at]) for at in pointed[:MOST_CITATIONS])
            return _sentence(text, named, 0.0, why or "there is no evidence to hold it against")
        claim = self._claim(text)
        judged = self._judged(claim, pointed)
        probability = judged.support.probability
        citations = tuple(Citation(self.evidence[at]) for at in sorted(judged.chosen))
        if probability >= THRESHOLD:
            return _sentence(text, citations, probability, "")
        return _sentence(text, citations if pointed else (), probability, reason(judged.support))

    def judge(self, text: str, cited: Sequence[int]) -> Judged:
        """The spans chosen for a sentence and the features of its support: for the fit."""
        return self._judged(self._claim(text), self._indexes(cited))

    def _judged(self, claim: ClaimRead, pointed: Sequence[int]) -> Judged:
        """The cited spans where they suffice, else the best of all."""
        own = self._best(claim, pointed) if pointed else None
        if own and own.support.probability >= THRESHOLD:
            return own
        other = self._best(claim, self._nearest(claim, pointed))
        if own and other.support.probability < THRESHOLD:
            return own
        return other

    def _best(self, claim: ClaimRead, indexes: Sequence[int]) -> Judged:
        """Join spans greedily, as long as each adds something."""
        best = max((Judged((at,), self._support(claim, (at,))) for at in indexes), key=_strength)
        while len(best.chosen) < MOST_CITATIONS:
            rest = [at for at in indexes if at not in best.chosen]
            joined = [Judged((*best.chosen, at), self._support(claim, (*best.chosen, at))) for at in rest]
            further = max(joined, key=_strength, default=None)
            if further is None or not self._adds(claim, best, further):
                break
            best = further
        return best

    def _adds(self, claim: ClaimRead, before: Judged, after: Judged) -> bool:
        """Whether the last span earned its place, by a statement of its own.

        A span that lends only a name or a number would let any name do what another span tells.
        """
        last, earlier = after.chosen[-1], before.chosen
        new = self.evidence[last]
        beside = any(new.follows(old) or old.follows(new) for old in (self.evidence[at] for at in earlier))
        if claim.own and not beside:  # a fragment and its question are one statement
            return False
        if not beside and any(self._asked_elsewhere(claim, old, last) for old in earlier):
            return False
        words = gained(claim.reading, [self._sources[at] for at in earlier], self._sources[last])
        clearer = after.support.logit > before.support.logit + WORTH_JOINING
        fewer = len(after.support.faults) < len(before.support.faults)
        return words >= (1 if beside else 2) and (clearer or fewer)

    def _asked_elsewhere(self, claim: ClaimRead, one: int, other: int) -> bool:
        return asked_elsewhere(claim.reading, claim.question, self._sources[one].reading, self._sources[other].reading)

    def _nearest(self, claim: ClaimRead, pointed: Sequence[int]) -> list[int]:
        """The evidence that is nearest to the claim in words and meaning, and all that was cited."""
        stems = claim.reading.stem_set
        cover = [len(stems & source.reading.stem_set) / max(1, len(stems)) for source in self._sources]
        score = np.array(cover) + self.vectors @ claim.vector
        return list(dict.fromkeys([*pointed, *(int(at) for at in np.argsort(-score)[:CANDIDATES])]))

    def _support(self, claim: ClaimRead, indexes: tuple[int, ...]) -> Support:
        return support(claim, [self._sources[at] for at in indexes])

    def _indexes(self, cited: Sequence[int]) -> list[int]:
        by_number = {item.number: at for at, item in enumerate(self.evidence)}
        return list(dict.fromkeys(by_number[number] for number in cited if number in by_number))

    def _claim(self, text: str) -> ClaimRead:
        reading, asked = read(text), read(self.question)
        if len(reading.stems) >= FRAGMENT_STEMS:
            vector, amiss = self.embed([text])[0], turned(reading, self.question)
            return ClaimRead(reading, vector, asked, self._denied(reading), amiss=amiss)
        # "13." or "Ri Kil-song." says something only as the answer to its question.
        whole, vector = _answering(self.question, text), self.embed([f"{self.question} {text}"])[0]
        own = reading.stem_set - asked.stem_set
        amiss = turned(reading, self.question) or unanswering(self.question, reading)
        return ClaimRead(whole, vector, asked, self._denied(whole), own, amiss)

    def _denied(self, claim: Reading) -> float:
        """The greatest cover of the claim by a sentence of the evidence that denies it."""
        spans = [source.reading for source in self._sources]
        cover = [1 - len(unsaid(claim.stem_set, span.stem_set)) / max(1, len(claim.stem_set)) for span in spans]
        return max((c for c, span in zip(cover, spans, strict=True) if c >= SAME and denies(claim, span)), default=0.0)

    @cached_property
    def _sources(self) -> tuple[Source, ...]:
        known: dict[str, set[tuple[str, ...]]] = {}
        for item in self.evidence:
            names = {name.words for name in read(item.span.text).names}
            known.setdefault(item.span.document_id, set()).update(names)
        return tuple(
            Source(
                reading=read(item.span.text),
                flat=flat(item.span.text),
                vector=self.vectors[at],
                title=_about(item.metadata),
                before=self._before(at),
                known=frozenset(known[item.span.document_id]),
            )
            for at, item in enumerate(self.evidence)
        )

    def _before(self, at: int) -> Reading | None:
        before = (item for item in self.evidence if self.evidence[at].follows(item))
        return next((read(item.span.text) for item in before), None)


def _sentence(text: str, citations: tuple[Citation, ...], probability: float, why: str) -> AnswerSentence:
    return AnswerSentence(text, citations, "unsupported" if why else "supported", probability, why)


def _answering(question: str, text: str) -> Reading:
    """A fragment's reading with the words of its question; its numbers and names are its own."""
    own, whole = read(text), read(f"{question} {text}")
    start = len(whole.tokens) - len(own.tokens)
    return replace(
        whole,
        numbers=tuple(number for number in whole.numbers if number.position >= start),
        names=tuple(name for name in whole.names if name.position >= start),
    )


def _about(metadata: Metadata) -> Reading:
    parts = (metadata.title, metadata.author, metadata.published, metadata.site)
    return read(" . ".join(part for part in parts if part))


def _strength(judged: Judged) -> tuple[bool, float]:
    return not judged.support.faults, judged.support.logit
