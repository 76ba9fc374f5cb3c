"""Claim + spans -> features of support -> a probability, and the reason when it is low.

The features hold the claim against what the spans say. Knows nothing of which spans to choose.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app import alignment, polarity
from app.alignment import unsaid
from app.claims import Name, Reading, shown
from app.mentions import (
    ClaimRead,
    Source,
    name_said,
    name_spots,
    number_said,
    number_spots,
    quote_said,
    replaced,
    sure,
)
from app.predicates import unstated
from app.roles import exchanged, swapped


@dataclass(frozen=True)
class Features:
    """What is measured of a claim against the spans together; counts are cut at 3, shares are 0 to 1.

    cover: share of the claim's content stems in the spans. best_cover: in the best single span.
    uncovered: number of stems in neither spans nor title. asked: share of the uncovered that the
    question holds. pairs: share of neighbouring stems that are near each other, in the same order,
    in one span. order: share of the covered stems in the longest common order. similarity: cosine
    of claim and spans together; best_similarity: of the best single span. names_asked: names found
    in the question only; names_unsure: a lone missing word that opens the claim. context: least share
    of a number's or name's neighbours that stand near it in a span. swapped: a word whose left and
    right neighbours have changed places. spans: how many are joined.
    """

    cover: float
    best_cover: float
    uncovered: float
    asked: float
    pairs: float
    order: float
    similarity: float
    best_similarity: float
    names_asked: float
    names_unsure: float
    context: float
    swapped: float
    spans: float


# One coefficient a feature, set by hand: `python -m bench.checker_fit` fits them to labelled claims and compares, and
# what it fits to some sets is worse than these on others.
COEFFICIENTS = Features(
    cover=4.0, best_cover=2.0, uncovered=-0.4, asked=0.5, pairs=1.0, order=0.5, similarity=2.0, best_similarity=2.0,
    names_asked=-1.0, names_unsure=-1.0, context=1.0, swapped=-2.0, spans=-0.3,
)  # fmt: skip
CONSTANT = -6.0
THRESHOLD = 0.5
CONTRADICTED = 0.4  # cover below which nothing is said of the same matter
NOT = "the cited text differs in a “not”"
FAULT = 3.0  # log-odds that each fault costs where spans are compared


@dataclass(frozen=True)
class Support:
    """How far spans bear out a claim: log-odds, probability and, when something is wrong, what."""

    features: Features
    faults: tuple[str, ...]

    @cached_property
    def logit(self) -> float:
        """The log-odds of support."""
        weights = vars(COEFFICIENTS)
        known = sum(value * weights[name] for name, value in vars(self.features).items())
        return float(CONSTANT + known - FAULT * len(self.faults))

    @property
    def probability(self) -> float:
        """From 0 to 1. What is missing outright is not outweighed by what is there."""
        probability = 1 / (1 + math.exp(-max(-30.0, min(30.0, self.logit))))
        return min(probability, THRESHOLD / 2) if self.faults else probability


def support(claim: ClaimRead, sources: Sequence[Source]) -> Support:
    """Hold a claim against one or more spans together."""
    reading, spans = claim.reading, [source.reading for source in sources]
    stems = reading.stem_set
    said = frozenset().union(*(span.stem_set for span in spans))
    titles = frozenset().union(*(source.title.stem_set for source in sources))
    uncovered = unsaid(stems, said)
    loose = uncovered - titles
    names = [(name, name_said(name, claim, sources)) for name in reading.names]
    lost = [name for name, where in names if where == "nowhere"]
    total = max(1, len(stems))
    joined = np.sum([source.vector for source in sources], axis=0)
    features = Features(
        cover=1 - len(uncovered) / total,
        best_cover=max(1 - len(unsaid(stems, span.stem_set)) / total for span in spans),
        uncovered=float(min(5, len(loose))),
        asked=len(loose & claim.question.stem_set) / max(1, len(loose)),
        pairs=alignment.pairs(reading, spans),
        order=alignment.order(reading, spans),
        similarity=float(joined @ claim.vector / max(1e-9, float(np.linalg.norm(joined)))),
        best_similarity=max(float(source.vector @ claim.vector) for source in sources),
        names_asked=float(min(3, sum(where == "question" for _, where in names))),
        names_unsure=float(any(not sure(name, sources) for name in lost)),
        context=_context(reading, sources),
        swapped=float(swapped(reading, spans)),
        spans=float(len(sources) - 1),
    )
    faults = _missing(claim, sources, [name for name in lost if sure(name, sources)], said)
    faults += _contradicted(reading, sources) if features.cover >= CONTRADICTED else []
    if not faults and claim.denied > features.best_cover:
        faults.append(NOT)
    return Support(features, tuple(faults))


def gained(claim: Reading, before: Sequence[Source], after: Source) -> int:
    """How many content words of the claim, outside its names, one more span brings."""
    named = {stem for stem, at in claim.stems for n in claim.names if n.position <= at < n.position + n.length}
    said = frozenset().union(*(source.reading.stem_set for source in before))
    left = unsaid(claim.stem_set - named, said)
    return len(left) - len(unsaid(left, after.reading.stem_set))


def reason(found: Support) -> str:
    """Why the claim is not supported, in plain words."""
    if found.faults:
        return found.faults[0]
    features = found.features
    if features.names_asked and features.cover < 0.9:
        return "a name in it is only in the question, not in the cited text"
    if features.cover < 0.5:
        return "most of its words are not in the cited text"
    return "the cited text does not clearly say this"


def _missing(claim: ClaimRead, sources: Sequence[Source], lost: Sequence[Name], said: frozenset[str]) -> list[str]:
    """What no other words can make good."""
    reading = claim.reading
    missing = [number.text for number in reading.numbers if not number_said(number, reading, sources)]
    quotes = [quote.strip() for quote in reading.quoted if not quote_said(quote, sources)]
    faults = [f"the number {number} is not in the cited text" for number in missing]
    faults += [f"the name {shown(name)} is not in the cited text" for name in lost]
    faults += [f"the quoted words “{quote}” are not in the cited text" for quote in quotes]
    if 2 * len(unsaid(claim.own, said)) > len(claim.own):  # its question's words are there whatever it says
        faults.append("its own words are not in the cited text")
    faults += [claim.amiss] if claim.amiss else []
    return faults


def _contradicted(claim: Reading, sources: Sequence[Source]) -> list[str]:
    """Where the spans have the claim's words, but say something else with them."""
    spans, faults = [source.reading for source in sources], list[str]()
    others = [(name, replaced(name, claim, sources)) for name in claim.names if sure(name, sources)]
    faults += [f"the cited text has {other} in the place of {shown(name)}" for name, other in others if other]
    if names := exchanged(claim, spans):
        faults.append(f"the cited text has {names[0]} and {names[1]} the other way round")
    if verb := unstated(claim, spans):
        faults.append(f"the cited text does not say “{verb}”")
    if number := alignment.displaced(claim, spans):
        faults.append(f"the cited text has another number in the place of {number.text}")
    if word := polarity.opposite(claim, spans):
        faults.append(f"the cited text says the opposite of “{word}”")
    elif polarity.negated_otherwise(claim, spans):
        faults.append(NOT)
    return faults


def _context(claim: Reading, sources: Sequence[Source]) -> float:
    """How well the claim's numbers and names keep their company: the least share over them."""
    shares = [alignment.company(claim, n.position, n.end, number_spots(n, sources)) for n in claim.numbers]
    shares += [
        alignment.company(claim, name.position, name.position + name.length, name_spots(name, sources))
        for name in claim.names
        if name.certain
    ]
    return min(shares, default=1.0)
