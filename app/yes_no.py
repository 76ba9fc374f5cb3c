"""A claim that begins with Yes or No against the question that it answers: whether it then says the reverse.

Says nothing but where the claim repeats the question word for word. Knows nothing of evidence or verdicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.claims import Reading, Token, read
from app.wordlists import NEGATIONS

_AUXILIARIES = {
    word: words.split()[0]
    for words in (
        "did", "does do", "is are", "was were", "has have", "had", "can", "could", "will", "would", "shall", "should",
        "may", "might", "must",
    )
    for word in words.split()
}  # fmt: skip
_PAST = dict(
    pair.split(":")
    for pair in """
become:became begin:began build:built buy:bought choose:chose come:came fall:fell find:found fly:flew get:got give:gave
go:went grow:grew hold:held keep:kept lead:led leave:left lose:lost make:made meet:met pay:paid rise:rose run:ran
say:said see:saw sell:sold send:sent sink:sank speak:spoke spend:spent take:took tell:told win:won
write:wrote
""".split()
)
_PRONOUNS = frozenset("he she it they".split())
_STOPS = frozenset(',;:–()!?“”".') | {"...", "…"}
_REASONS = frozenset("since because as and which who".split())  # behind a comma
_MONTHS_AND_DAYS = frozenset(
    """
january february march april may june july august september october november december monday tuesday wednesday thursday
friday saturday sunday
""".split()
)
# What makes "No, it was open in May" true.
_LIMITS = frozenset(
    """
but only just merely though although however until unless except instead without rather than if while whereas not
never partly some few
""".split()
)


@dataclass(frozen=True)
class _Repeated:
    """The question's words as the claim has them: with which auxiliaries, how its verb changed, and what follows."""

    auxiliaries: tuple[str, ...]
    changed: tuple[tuple[str, str], ...]
    negated: bool
    tail: tuple[str, ...]


def turned(claim: Reading, question: str) -> str:
    """Why the Yes or No that the claim begins with cannot stand before the rest of it; "" when it may."""
    if len(claim.tokens) < 3 or claim.tokens[0].word not in {"yes", "no"} or claim.tokens[1].word not in _STOPS:
        return ""
    asked = _asked(question)
    if not asked:
        return ""
    auxiliary = _AUXILIARIES[asked[0].word]
    said = _repeated(asked[1:], claim.tokens[2:])
    if said is None or not _same_tense(auxiliary, said) or not _ends(auxiliary, said, asked[-1].word):
        return ""
    if claim.tokens[0].word == "no" and not said.negated:
        return "it says No, and then what the question asks"
    if claim.tokens[0].word == "yes" and said.negated:
        return "it says Yes, and then denies what the question asks"
    return ""


def _asked(question: str) -> tuple[Token, ...]:
    """The words of a plain yes-or-no question, its auxiliary first; () of any other."""
    tokens = read(question).tokens
    while tokens and tokens[-1].word in _STOPS:
        tokens = tokens[:-1]
    words = {token.word for token in tokens}
    if len(tokens) < 3 or tokens[0].word not in _AUXILIARIES or words & (NEGATIONS | _LIMITS | _STOPS | {"or"}):
        return ()
    return tokens


def _repeated(asked: Sequence[Token], claim: Sequence[Token]) -> _Repeated | None:
    """How the claim has the words of the question, one by one and in their order; None when it does not."""
    auxiliaries, changed, negated, at = list[str](), list[tuple[str, str]](), False, 0
    for place, token in enumerate(claim):
        if at == len(asked):
            return _Repeated(tuple(auxiliaries), tuple(changed), negated, tuple(t.word for t in claim[place:]))
        word = asked[at].word
        if token.word == word:
            at += 1
        elif at == 0 and token.word in _PRONOUNS and (named := _name_length(asked)):
            at = named
        elif token.word in _AUXILIARIES:
            auxiliaries.append(_AUXILIARIES[token.word])
        elif token.word == "not":
            negated = True
        elif token.word == _PAST.get(word) or (token.stem and token.stem == asked[at].stem):
            changed.append((word, token.word))
            at += 1
        else:
            return None
    return _Repeated(tuple(auxiliaries), tuple(changed), negated, ()) if at == len(asked) else None


def _name_length(asked: Sequence[Token]) -> int:
    """How many words make the name that the question begins with: "Kim Jong-un" has four, with its hyphen."""
    length = 0
    while length < len(asked) and (asked[length].capital or _joined(asked, length)):
        length += 1
    return length


def _joined(asked: Sequence[Token], at: int) -> bool:
    return at > 0 and "-" in (asked[at].word, asked[at - 1].word)


def _same_tense(auxiliary: str, said: _Repeated) -> bool:
    """Whether the claim speaks of the time that the question asks about: not "was open" of "is it open?"."""
    if auxiliary not in {"did", "does"} or said.negated or said.auxiliaries:
        return said.auxiliaries == (auxiliary,) and not said.changed
    if auxiliary == "does":
        third = [own in {word + "s", word + "es", word[:-1] + "ies"} for word, own in said.changed]
        return all(third) and len(third) < 2
    (word, own), *more = said.changed or [("", "")]
    return not more and (own.endswith("ed") or own == _PAST.get(word))


def _ends(auxiliary: str, said: _Repeated, last: str) -> bool:
    """Whether what follows the question's words takes nothing back: nothing, a reason, or when something was done."""
    tail = said.tail
    if not tail or tail[0] in {".", "!"}:
        return True
    if _LIMITS.intersection(tail) or len(tail) < 2:
        return False
    if tail[0] == "," or tail[0] == "because":
        return tail[0] == "because" or tail[1] in _REASONS
    done = auxiliary in {"did", "will"} or (auxiliary in {"was", "has", "had"} and last.endswith("ed"))
    return done and tail[0] in {"in", "on"} and (tail[1].isdigit() or tail[1] in _MONTHS_AND_DAYS)
