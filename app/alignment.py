"""How far the words of a claim keep their company, order and place in the spans that it is held against.

Knows nothing of sources, verdicts or coefficients.
"""

from collections.abc import Sequence
from functools import lru_cache

from app.claims import Reading
from app.numbers import Number

CLAIM_WINDOW, SPAN_WINDOW = 4, 7  # tokens on each side of a word that are its company
NEAR = 6  # tokens within which two neighbours of the claim must stand in a span


def unsaid(stems: frozenset[str], said: frozenset[str]) -> frozenset[str]:
    """The stems that are not among those said; words of one root that the stemmer keeps apart count as said."""
    missing = stems - said
    return frozenset(stem for stem in missing if not _of_one_root(stem, *_roots(said))) if missing else missing


def _of_one_root(stem: str, roots: frozenset[str], fives: frozenset[str]) -> bool:
    """Whether the first six letters of two stems are the same, or all five of the shorter."""
    if len(stem) <= 5:
        return len(stem) == 5 and stem in fives
    return stem[:6] in roots or stem[:5] in roots


@lru_cache(maxsize=4096)
def _roots(stems: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    long = [stem for stem in stems if len(stem) >= 5]
    return frozenset(stem[:6] for stem in long), frozenset(stem[:5] for stem in long)


def pairs(claim: Reading, spans: Sequence[Reading]) -> float:
    """Share of neighbouring content stems that stand NEAR each other, in order, in one span."""
    neighbours = list(zip(claim.stems, claim.stems[1:], strict=False))
    if not neighbours:
        return 1.0
    spots = [places(span) for span in spans]
    held = sum(any(near(one, a, b) for one in spots) for (a, _), (b, _) in neighbours)
    return held / len(neighbours)


def near(spots: dict[str, list[int]], first: str, second: str) -> bool:
    """Whether `second` follows `first` within NEAR tokens."""
    return any(0 < b - a <= NEAR for a in spots.get(first, ()) for b in spots.get(second, ()))


def places(reading: Reading) -> dict[str, list[int]]:
    """Stem -> its token positions."""
    spots: dict[str, list[int]] = {}
    for stem, position in reading.stems:
        spots.setdefault(stem, []).append(position)
    return spots


def order(claim: Reading, spans: Sequence[Reading]) -> float:
    """Length of the longest common subsequence of covered stems over their number, the best span's."""
    best = 0.0
    for span in spans:
        said = [stem for stem, _ in span.stems]
        shared = [stem for stem, _ in claim.stems if stem in span.stem_set]
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


def company(claim: Reading, start: int, end: int, spots: Sequence[tuple[Reading, int]]) -> float:
    """Of the claim's content words about tokens start to end, the share that stands about the best of the spots."""
    around = frozenset(
        s for s, at in claim.stems if start - CLAIM_WINDOW <= at < end + CLAIM_WINDOW and not start <= at < end
    )
    if not around:
        return 1.0
    best = 0.0
    for reading, spot in spots:
        there = frozenset(s for s, at in reading.stems if abs(at - spot) <= SPAN_WINDOW)
        best = max(best, 1 - len(unsaid(around, there)) / len(around))
    return best


def displaced(claim: Reading, spans: Sequence[Reading]) -> Number | None:
    """A number of the claim in whose place a span gives another one of its kind; None when there is none.

    "A $40 billion bank", where the spans tell of a $50 billion bank and of $40 billion for something else.
    """
    for number in claim.numbers if len(spans) > 1 else ():
        shares = dict.fromkeys((True, False), 0.0)
        holders = [span for span in spans if any(number.agrees(other) for other in span.numbers)]
        for span in spans:
            spots = [
                (span, n.position) for n in span.numbers if n.like(number) and number.agrees(n) == (span in holders)
            ]
            share = company(claim, number.position, number.end, spots) if spots else 0.0
            shares[span in holders] = max(shares[span in holders], share)
        if shares[False] >= 0.5 and shares[False] > shares[True] + 0.3:
            return number
    return None
