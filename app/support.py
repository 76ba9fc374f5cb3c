"""Claim + spans -> features of support -> a probability, and the reason when it is low.

The features hold the claim against what the spans say; the coefficients are fitted by
`python -m bench.checker --fit` on labelled claims. Knows nothing of which spans to choose.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from app.claims import Name, Reading, flat
from app.numbers import Number
from app.roles import swapped
from app.wordlists import PLACES

CLAIM_WINDOW, SPAN_WINDOW = 4, 7  # tokens on each side of a number or name that are its context


@dataclass(frozen=True)
class Features:
    """What is measured of a claim against the spans together; counts are cut at 3, shares are 0 to 1.

    cover: share of the claim's content stems in the spans. best_cover: in the best single span.
    uncovered: number of stems in neither spans nor title. asked: share of the uncovered that the
    question holds. pairs: share of neighbouring stems that are near each other, in the same order,
    in one span. order: share of the covered stems in the longest common order. similarity: cosine
    of claim and spans together; best_similarity: of the best single span. numbers, names: missing
    from the spans; names_asked: found in the question only; names_unsure: a lone missing word that
    opens the claim. context: least share of a number's or name's neighbours that stand near it in a
    span. quoted: quotations not verbatim. polarity: a negation on one side only. opposite: rise
    against fall. swapped: a word whose left and right neighbours have changed places. denied: another
    sentence of the evidence says nearly the same with a "not" or an opposite. spans: how many are joined.
    """

    cover: float
    best_cover: float
    uncovered: float
    asked: float
    pairs: float
    order: float
    similarity: float
    best_similarity: float
    numbers: float
    names: float
    names_asked: float
    names_unsure: float
    context: float
    quoted: float
    polarity: float
    opposite: float
    swapped: float
    denied: float
    spans: float


# Fitted: see the module's docstring. One coefficient a feature, in their order, then the constant.
COEFFICIENTS = Features(
    cover=4.0, best_cover=2.0, uncovered=-0.4, asked=0.5, pairs=1.0, order=0.5, similarity=2.0, best_similarity=2.0,
    numbers=-4.0, names=-3.0, names_asked=-1.0, names_unsure=-1.0, context=1.0, quoted=-4.0, polarity=-3.0,
    opposite=-2.0, swapped=-2.0, denied=-2.0, spans=-0.3,
)  # fmt: skip
CONSTANT = -6.0
THRESHOLD = 0.5


@dataclass(frozen=True)
class Source:
    """A span as the checker reads it; `before` is the sentence before it in its document, if at hand.

    `title` holds the words of the document's title, author, site and date; `known` the names of all
    evidence of the document.
    """

    reading: Reading
    flat: str
    vector: np.ndarray
    title: Reading
    before: Reading | None
    known: frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class ClaimRead:
    """A claim as the checker reads it, with the question that it answers.

    `denied` is true when some sentence of the evidence holds nearly all its words and denies them. Of a fragment,
    which is read with the words of its question, `own` are the stems that are no words of the question.
    """

    reading: Reading
    vector: np.ndarray
    question: Reading
    denied: bool = False
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Support:
    """How far spans bear out a claim: log-odds, probability and, when something is wrong, what."""

    features: Features
    faults: tuple[str, ...]

    @property
    def logit(self) -> float:
        """The log-odds of support."""
        pairs = zip(astuple(self.features), astuple(COEFFICIENTS), strict=True)
        return float(CONSTANT + sum(value * weight for value, weight in pairs))

    @property
    def probability(self) -> float:
        """From 0 to 1. What is missing outright is not outweighed by what is there."""
        probability = 1 / (1 + math.exp(-max(-30.0, min(30.0, self.logit))))
        return min(probability, THRESHOLD / 2) if self.faults else probability


def support(claim: ClaimRead, sources: Sequence[Source]) -> Support:
    """Hold a claim against one or more spans together."""
    stems = claim.reading.stem_set
    said = frozenset().union(*(source.reading.stem_set for source in sources))
    titles = frozenset().union(*(source.title.stem_set for source in sources))
    uncovered = unsaid(stems, said)
    loose = uncovered - titles
    asked = claim.question.stem_set
    missing = [n for n in claim.reading.numbers if not _number_said(n, claim, sources)]
    names = [(name, _name_said(name, claim, sources)) for name in claim.reading.names]
    lost = [name for name, where in names if where == "nowhere" and name.certain]
    quotes = [quote for quote in claim.reading.quoted if not _quoted(quote, claim, sources)]
    polarity = _polarity(claim.reading, sources)
    opposite = _opposite(claim.reading, sources)
    total = max(1, len(stems))
    joined = np.sum([source.vector for source in sources], axis=0)
    similarities = [float(source.vector @ claim.vector) for source in sources]
    features = Features(
        cover=1 - len(uncovered) / total,
        best_cover=max(1 - len(unsaid(stems, s.reading.stem_set)) / total for s in sources),
        uncovered=float(min(5, len(loose))),
        asked=len(loose & asked) / max(1, len(loose)),
        pairs=_pairs(claim.reading, sources),
        order=_order(claim.reading, sources),
        similarity=float(joined @ claim.vector / max(1e-9, float(np.linalg.norm(joined)))),
        best_similarity=max(similarities),
        numbers=float(min(3, len(missing))),
        names=float(min(3, len(lost))),
        names_asked=float(min(3, sum(where == "question" for _, where in names))),
        names_unsure=float(any(where == "nowhere" and not name.certain for name, where in names)),
        context=_context(claim.reading, sources),
        quoted=float(min(3, len(quotes))),
        polarity=polarity,
        opposite=opposite,
        swapped=swapped(claim.reading, [source.reading for source in sources]),
        denied=float(claim.denied),
        spans=float(len(sources) - 1),
    )
    faults = _faults(missing, lost, quotes)
    if 2 * len(unsaid(claim.own, said)) > len(claim.own):  # its question's words are there whatever it says
        faults.append("its own words are not in the cited text")
    return Support(features, tuple(faults))


def denies(claim: Reading, source: Source) -> bool:
    """Whether the span holds nearly all words of the claim, but with a "not" or an opposite."""
    stems = claim.stem_set
    if len(unsaid(stems, source.reading.stem_set)) > 0.25 * len(stems):
        return False
    return bool(_polarity(claim, [source]) or _opposite(claim, [source]))


def gained(claim: Reading, before: Sequence[Source], after: Source) -> int:
    """How many content words of the claim, outside its names, one more span brings."""
    named = {stem for stem, at in claim.stems for n in claim.names if n.position <= at < n.position + n.length}
    said = frozenset().union(*(source.reading.stem_set for source in before))
    left = unsaid(claim.stem_set - named, said)
    return len(left) - len(unsaid(left, after.reading.stem_set))


def reason(claim: ClaimRead, found: Support) -> str:
    """Why the claim is not supported, in plain words."""
    if found.faults:
        return found.faults[0]
    features = found.features
    if features.polarity or (features.denied and not features.opposite):
        return "the cited text differs in a “not”"
    if features.opposite:
        return "the cited text says the opposite of one of its words"
    if features.names_asked and features.cover < 0.9:
        return "a name in it is only in the question, not in the cited text"
    if features.cover < 0.5:
        return "most of its words are not in the cited text"
    return "the cited text does not clearly say this"


def _faults(missing: list[Number], lost: list[Name], quotes: list[str]) -> list[str]:
    faults = [f"the number {number.text} is not in the cited text" for number in missing]
    faults += [f"the name {' '.join(name.words).title()} is not in the cited text" for name in lost]
    return faults + [f"the quoted words “{quote.strip()}” are not in the cited text" for quote in quotes]


def unsaid(stems: frozenset[str], said: frozenset[str]) -> frozenset[str]:
    """The stems that are not among those said; words of one root that the stemmer keeps apart count as said."""
    missing = stems - said
    return frozenset(s for s in missing if len(s) < 5 or not any(_akin(s, other) for other in said))


def _akin(one: str, other: str) -> bool:
    shared = min(len(one), len(other), 6)
    return shared >= 5 and one[:shared] == other[:shared]


def _number_said(number: Number, claim: ClaimRead, sources: Sequence[Source]) -> bool:
    given = [n for source in sources for n in (*source.reading.numbers, *source.title.numbers)]
    return any(number.agrees(other) for other in given) or _counts(number, claim.reading)


def _counts(number: Number, claim: Reading) -> bool:
    """Whether a small number counts the names that the claim itself lists ("three: A, B and C")."""
    listed = [name for name in claim.names if name.position > number.position]
    return not number.kind and 2 <= number.value <= 12 and len(listed) == number.value


def _name_said(name: Name, claim: ClaimRead, sources: Sequence[Source]) -> str:
    """Where a name stands: "spans", "title", "question" or "nowhere"."""
    for source in sources:
        if _holds(source.reading, name) or _longer_form(name, source):
            return "spans"
    words = frozenset().union(*(source.reading.words for source in sources))
    if all(_word_in(word, words) for word in name.words):
        return "spans"
    around = frozenset().union(*(_around(source) for source in sources))
    if all(_word_in(word, words | around) for word in name.words):
        return "title"
    if all(_word_in(word, claim.question.words | words) for word in name.words):
        return "question"
    return "nowhere"


def _around(source: Source) -> frozenset[str]:
    """The words of the title and of the sentence before: a text does not name again whom it has just named."""
    return source.title.words | (source.before.words if source.before else frozenset())


def _holds(reading: Reading, name: Name) -> bool:
    if len(name.words) == 1 and name.words[0] in reading.initials:
        return True
    initials = "".join(word[0] for word in name.words)
    return len(initials) > 2 and initials in reading.words


def _longer_form(name: Name, source: Source) -> bool:
    """Whether the span's "Kim" is the claim's "Kim Jong-un", a name that the document knows."""
    full = frozenset(name.words)
    short = any(frozenset(other.words) < full for other in source.reading.names)
    return short and any(full <= frozenset(words) for words in source.known)


def _word_in(word: str, words: frozenset[str]) -> bool:
    return word in words or PLACES.get(word) in words or any(_same_root(word, other) for other in words)


def _same_root(one: str, other: str) -> bool:
    """ "Chinese" and "China", "Singaporean" and "Singapore", "Japan" and "Japanese", "Koreas"."""
    if PLACES.get(other) == one:
        return True
    short, long = sorted((one, other), key=len)
    root = short[:-1] if short[-1] in "aeoy" else short
    return len(root) >= 4 and long.startswith(root) and long[len(root) :] in _ROOT_ENDINGS


_ROOT_ENDINGS = frozenset("a e o y s n an ian ians ans ese ean eans ish ic i is".split())


def _quoted(quote: str, claim: ClaimRead, sources: Sequence[Source]) -> bool:
    if any(quote in source.flat for source in sources):
        return True
    titles = [flat(" ".join(t.word for t in source.title.tokens)) for source in sources]
    return any(quote in title for title in titles)


def _pairs(claim: Reading, sources: Sequence[Source]) -> float:
    """Share of neighbouring content stems that stand within 6 tokens, in order, in one span."""
    neighbours = list(zip(claim.stems, claim.stems[1:], strict=False))
    if not neighbours:
        return 1.0
    places = [_places(source.reading) for source in sources]
    held = sum(any(_near(spots, a, b) for spots in places) for (a, _), (b, _) in neighbours)
    return held / len(neighbours)


def _near(spots: dict[str, list[int]], first: str, second: str) -> bool:
    return any(0 < b - a <= 6 for a in spots.get(first, ()) for b in spots.get(second, ()))


def _places(reading: Reading) -> dict[str, list[int]]:
    spots: dict[str, list[int]] = {}
    for stem, position in reading.stems:
        spots.setdefault(stem, []).append(position)
    return spots


def _order(claim: Reading, sources: Sequence[Source]) -> float:
    """Length of the longest common subsequence of covered stems over their number, the best span's."""
    best = 0.0
    for source in sources:
        said = [stem for stem, _ in source.reading.stems]
        shared = [stem for stem, _ in claim.stems if stem in source.reading.stem_set]
        if shared:
            best = max(best, _common(shared, said) / len(shared))
    return best


def _common(one: list[str], other: list[str]) -> int:
    row = [0] * (len(other) + 1)
    for a in one:
        diagonal = 0
        for at, b in enumerate(other, 1):
            diagonal, row[at] = row[at], diagonal + 1 if a == b else max(row[at], row[at - 1])
    return row[-1]


def _context(claim: Reading, sources: Sequence[Source]) -> float:
    """How well the claim's numbers and names keep their company: the least share over them."""
    shares = [_company(claim, n.position, n.end, _number_spots(n, sources)) for n in claim.numbers]
    shares += [
        _company(claim, name.position, name.position + name.length, _name_spots(name, sources))
        for name in claim.names
        if name.certain
    ]
    return min(shares, default=1.0)


def _company(claim: Reading, start: int, end: int, spots: list[tuple[Reading, int]]) -> float:
    near = {s for s, at in claim.stems if start - CLAIM_WINDOW <= at < end + CLAIM_WINDOW and not start <= at < end}
    if not near:
        return 1.0
    best = 0.0
    for reading, spot in spots:
        there = {s for s, at in reading.stems if abs(at - spot) <= SPAN_WINDOW}
        best = max(best, 1 - len(unsaid(frozenset(near), frozenset(there))) / len(near))
    return best


def _number_spots(number: Number, sources: Sequence[Source]) -> list[tuple[Reading, int]]:
    return [(s.reading, n.position) for s in sources for n in s.reading.numbers if number.agrees(n)]


def _name_spots(name: Name, sources: Sequence[Source]) -> list[tuple[Reading, int]]:
    spots = []
    for source in sources:
        for at, token in enumerate(source.reading.tokens):
            if token.stem and _word_in(token.word, frozenset(name.words)):
                spots.append((source.reading, at))
    return spots


def _polarity(claim: Reading, sources: Sequence[Source]) -> float:
    """1 when a negation of the claim or of the spans has no partner on the other side, else 0."""
    said = [negated for source in sources for negated in source.reading.negated]
    spans = frozenset().union(*(source.reading.stem_set for source in sources))
    unanswered = any(_share(n, spans) >= 0.6 and not _meets(n, said) for n in claim.negated)
    ignored = any(_share(n, claim.stem_set) >= 0.6 and not _meets(n, claim.negated) for n in said)
    return float(unanswered or ignored)


def _share(part: frozenset[str], whole: frozenset[str]) -> float:
    return len(part & whole) / len(part)


def _meets(negated: frozenset[str], others: Sequence[frozenset[str]]) -> bool:
    return any(negated & other for other in others)


def _opposite(claim: Reading, sources: Sequence[Source]) -> float:
    said = frozenset().union(*(source.reading.poles for source in sources))
    turned = {(pair, 1 - side) for pair, side in claim.poles - said}
    return float(bool(turned & (said - claim.poles)))
