"""Who does what to whom, without grammar: words whose left and right neighbours have changed places.

Knows nothing of verdicts.
"""

from collections.abc import Sequence

from app.claims import Reading

REACH = 3  # content words on each side of a word


def swapped(claim: Reading, spans: Sequence[Reading]) -> float:
    """1 when a word both share has, in the claim, on its left what a span has on its right and the reverse.

    "Russia owes Korea" against "Korea owes Russia". One "by" turns the sides round: a passive.
    """
    return float(any(_turned(claim, span) for span in spans))


def _turned(claim: Reading, span: Reading) -> bool:
    if ("by" in claim.words) != ("by" in span.words):
        return False
    mine, theirs = [s for s, _ in claim.stems], [s for s, _ in span.stems]
    shared = (word for word in mine if mine.count(word) == 1 and theirs.count(word) == 1)
    return any(_crossed(mine, theirs, word) for word in shared)


def _crossed(mine: list[str], theirs: list[str], word: str) -> bool:
    """Whether more words around `word` have changed sides than have kept them; or two and two, far apart."""
    at, there = mine.index(word), theirs.index(word)
    left, right = _sides(mine, at, REACH)
    other_left, other_right = _sides(theirs, there, REACH)
    crossed = (len(left & other_right), len(right & other_left))
    if min(crossed) >= 1 and sum(crossed) > len(left & other_left) + len(right & other_right):
        return True
    left, right = _sides(mine, at, 2)
    other_left, other_right = set(theirs[:there]), set(theirs[there + 1 :])
    return left <= other_right - other_left and right <= other_left - other_right and len(left) == len(right) == 2


def _sides(stems: list[str], at: int, reach: int) -> tuple[set[str], set[str]]:
    return set(stems[max(0, at - reach) : at]), set(stems[at + 1 : at + 1 + reach])
