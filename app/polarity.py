"""Claim against spans: the same words, but with a "not", an opposite or another quantifier.

Knows nothing of verdicts.
"""

from collections.abc import Sequence

from app.alignment import company
from app.claims import Reading
from app.wordlists import NEGATING_PREFIXES, QUANTIFIED_OTHERWISE, QUANTIFIERS

ALIGNED = 0.3  # share of a word's company that must stand about its opposite
SAME = 0.75  # share of the claim's words in a span that says the same or denies it
HEAD = 3  # words behind a "not" among which the first one of its partner's stands
GOVERNED = 0.6  # share of what a "not" governs that the other side must hold to be about the same

Governed = tuple[str, ...]  # stems behind a negation


def negated_otherwise(claim: Reading, spans: Sequence[Reading]) -> bool:
    """Whether a negation of the claim or of the spans has no partner on the other side."""
    said = [negated for span in spans for negated in span.negated]
    held = frozenset().union(*(span.stem_set for span in spans))
    same = _share(tuple(claim.stem_set), held) >= SAME
    alone, ignored = _unmatched(claim.negated, said)
    alone = [negated for negated in alone if not _turned(negated, claim, spans)]
    ignored = [negated for negated in ignored if not any(_turned(negated, span, [claim]) for span in spans)]
    if any(_share(negated, held) >= GOVERNED or (same and not said) for negated in alone):
        return True
    return any(_share(one, claim.stem_set) >= GOVERNED and (same or len(set(one)) > 1) for one in ignored)


def _turned(negated: Governed, reading: Reading, others: Sequence[Reading]) -> bool:
    """Whether the others have an opposite of a word that the reading negates: "not changed" is "unchanged"."""
    held = frozenset().union(*(other.stem_set for other in others))
    if any(prefix + stem in held for stem in negated for prefix in NEGATING_PREFIXES):
        return True
    sides = {pole.side for pole in reading.poles if reading.tokens[pole.position].stem in negated}
    return any((pair, 1 - side) in {pole.side for other in others for pole in other.poles} for pair, side in sides)


def _share(part: tuple[str, ...], whole: frozenset[str]) -> float:
    return len(whole.intersection(part)) / max(1, len(set(part)))


def _unmatched(own: Sequence[Governed], other: Sequence[Governed]) -> tuple[list[Governed], list[Governed]]:
    """The negations of both sides that are left once those about the same have been matched, one to one."""
    left: list[Governed] = []
    free = list(other)
    for negated in own:
        partner = max(free, key=lambda one: len(set(one) & set(negated)), default=())
        shared = len(set(partner) & set(negated))
        if shared > 1 or (shared and (negated[0] in partner[:HEAD] or partner[0] in negated[:HEAD])):
            free.remove(partner)
        else:
            left.append(negated)
    return left, free


def opposite(claim: Reading, spans: Sequence[Reading]) -> str:
    """The word of the claim in whose place a span has its opposite; "" when there is none."""
    return _opposed(claim, spans) or _prefixed(claim, spans) or _quantified(claim, spans)


def _opposed(claim: Reading, spans: Sequence[Reading]) -> str:
    said = {pole.side for span in spans for pole in span.poles}
    own = {pole.side for pole in claim.poles}
    for pole in claim.poles:
        pair, side = pole.side
        if pole.side in said or (pair, 1 - side) in own:
            continue
        facing = [(s, other.position) for s in spans for other in s.poles if other.side == (pair, 1 - side)]
        facing = [(s, at) for s, at in facing if _negated(s, at) == _negated(claim, pole.position)]
        if facing and company(claim, pole.position, pole.position + 1, facing) >= ALIGNED:
            return claim.tokens[pole.position].word
    return ""


def _negated(reading: Reading, position: int) -> bool:
    return any(reading.tokens[position].stem in negated for negated in reading.negated)


def _prefixed(claim: Reading, spans: Sequence[Reading]) -> str:
    """ "Able" against "unable"."""
    held = frozenset().union(*(span.stem_set for span in spans))
    for stem, position in claim.stems:
        if stem in held or len(stem) < 4 or claim.tokens[position].capital:
            continue
        turned = {prefix + stem for prefix in NEGATING_PREFIXES} - claim.stem_set
        turned |= {stem[len(p) :] for p in NEGATING_PREFIXES if stem.startswith(p) and len(stem) > len(p) + 3}
        facing = [(span, at) for span in spans for other, at in span.stems if other in turned]
        facing = [(span, at) for span, at in facing if _negated(span, at) == _negated(claim, position)]
        if facing and company(claim, position, position + 1, facing) >= ALIGNED:
            return claim.tokens[position].word
    return ""


def _quantified(claim: Reading, spans: Sequence[Reading]) -> str:
    """ "All members" against "some members"."""
    own = _quantifiers(claim)
    said = [_quantifiers(span) for span in spans]
    for stem, (kind, word) in own.items():
        kinds = {found[stem][0] for found in said if stem in found}
        if kinds and kind not in kinds and kinds & QUANTIFIED_OTHERWISE[kind]:
            return word
    return ""


def _quantifiers(reading: Reading) -> dict[str, tuple[str, str]]:
    """Stem -> the kind of the quantifier that stands before it, and the quantifier."""
    found = {}
    for at, token in enumerate(reading.tokens):
        kind = QUANTIFIERS.get(token.word)
        following = [later.stem for later in reading.tokens[at + 1 : at + 4] if later.stem]
        if kind and following:
            found[following[0]] = (kind, token.word)
    return found


def denies(claim: Reading, span: Reading) -> bool:
    """Whether the span, which holds nearly all words of the claim, turns them round."""
    return negated_otherwise(claim, [span]) or bool(opposite(claim, [span]))
