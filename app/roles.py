"""Who does what to whom, without grammar: words and names that have changed places.

Knows nothing of verdicts.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise

from app.alignment import near, places
from app.claims import Name, Reading, shown

REACH = 3  # content words on each side of a word
MOST_NAMES = 5  # of a claim whose exchange is tried
ARMS = 8  # tokens before and behind a verb in which those stand whom it is about
GAIN = 2  # places about two names that must fit better once they are exchanged


def swapped(claim: Reading, spans: Sequence[Reading]) -> bool:
    """Whether a word both share has, in the claim, on its left what a span has on its right and the reverse.

    "Russia owes Korea" against "Korea owes Russia". One "by" turns the sides round: a passive.
    """
    return any(_turned(claim, span) for span in spans if _same_voice(claim, span))


def exchanged(claim: Reading, spans: Sequence[Reading]) -> tuple[str, str] | None:
    """Two names of the claim that stand in each other's place, by what stands about them in a span."""
    found = (
        _exchanged(claim, span) if _same_voice(claim, span) else _revoiced(claim, span) or _revoiced(span, claim)
        for span in spans
    )
    return next((pair for pair in found if pair), None)


def _same_voice(claim: Reading, span: Reading) -> bool:
    return ("by" in claim.words) == ("by" in span.words)


def _turned(claim: Reading, span: Reading) -> bool:
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


def _exchanged(claim: Reading, span: Reading) -> tuple[str, str] | None:
    names = [name for name in claim.names if frozenset(_stems(claim, name)) <= span.stem_set][:MOST_NAMES]
    spots = places(span)
    for one, two in combinations(names, 2):
        mine, theirs = _stems(claim, one), _stems(claim, two)
        between = [s for s, at in claim.stems if one.position + one.length <= at < two.position]
        if not between or set(mine) & set(theirs):
            continue
        before = [s for s, at in claim.stems if at < one.position][-1:]
        after = [s for s, at in claim.stems if at >= two.position + two.length][:1]
        seams = len(before) + 2 + len(after)
        kept = _seams([before, mine, between, theirs, after], spots)
        turned = _seams([before, theirs, between, mine, after], spots)
        if turned >= max(kept + GAIN, seams - 1):
            return shown(one), shown(two)
    return None


def _revoiced(passive: Reading, active: Reading) -> tuple[str, str] | None:
    """ "Bergen was sold by Oslo" against "Bergen sold Oslo": the names must change places with the voice."""
    for at, token in enumerate(passive.tokens):
        agents = [name for name in passive.names if at < name.position <= at + 2]
        patients = [name for name in passive.names if name.position + name.length < at]
        verb = passive.tokens[at - 1].stem if at else ""
        if token.word != "by" or not (verb and agents and patients):
            continue
        agent, patient = _stems(passive, agents[0]), _stems(passive, patients[-1])
        for there in (there for stem, there in active.stems if stem == verb):
            before = {stem for stem, place in active.stems if there - ARMS <= place < there}
            after = {stem for stem, place in active.stems if there < place <= there + ARMS}
            kept = before.issuperset(patient) and after.issuperset(agent)
            if kept and not before.issuperset(agent) and active.tokens[there + 1 :][:1] != (token,):
                return shown(patients[-1]), shown(agents[0])
    return None


def _stems(claim: Reading, name: Name) -> list[str]:
    return [s for s, at in claim.stems if name.position <= at < name.position + name.length]


def _seams(runs: Sequence[Sequence[str]], spots: dict[str, list[int]]) -> int:
    """At how many of the places where two runs of words meet the span has the two words together, in this order."""
    filled = [run for run in runs if run]
    return sum(near(spots, one[-1], two[0]) for one, two in pairwise(filled))
