"""Claim against sources: whether the numbers, names and quoted words of the claim stand in the cited text.

Knows nothing of probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from app.claims import Name, Reading, flat, shown
from app.numbers import Number
from app.wordlists import PLACES

SLOT = 3  # tokens that may lie between a name and the words it stands between


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

    `denied` is the share of its words in the sentence of the evidence that holds most of them and denies them, 0 when
    there is none. `amiss` says why it is none of the answers that the question asks for. Of a fragment, which is read
    with the words of its question, `own` are the stems that are no words of the question.
    """

    reading: Reading
    vector: np.ndarray
    question: Reading
    denied: float = 0.0
    own: frozenset[str] = frozenset()
    amiss: str = ""


def number_said(number: Number, claim: Reading, sources: Sequence[Source]) -> bool:
    """Whether the text or title of a source gives the number, or the claim itself lists so many names."""
    given = [n for source in sources for n in (*source.reading.numbers, *source.title.numbers)]
    return any(number.agrees(other) for other in given) or _counts(number, claim)


def _counts(number: Number, claim: Reading) -> bool:
    """Whether a small number counts the names that the claim itself lists ("three: A, B and C")."""
    listed = [name for name in claim.names if name.position > number.position]
    return not number.kind and 2 <= number.value <= 12 and len(listed) == number.value


def name_said(name: Name, claim: ClaimRead, sources: Sequence[Source]) -> str:
    """Where a name stands: "spans", "title", "question" or "nowhere"."""
    for source in sources:
        if _holds(source.reading, name) or _longer_form(name, source) or _spelt_out(name, claim.reading, source):
            return "spans"
    words = frozenset().union(*(source.reading.words for source in sources))
    if all(word_in(word, words) for word in name.words):
        return "spans"
    around = frozenset().union(*(_around(source) for source in sources))
    if all(word_in(word, words | around) for word in name.words):
        return "title"
    if all(word_in(word, claim.question.words | words) for word in name.words):
        return "question"
    return "nowhere"


def sure(name: Name, sources: Sequence[Source]) -> bool:
    """Whether it is a name: a lone word that opens a sentence is one where the document has it as one."""
    return name.certain or any(name.words[0] in known for source in sources for known in source.known)


def replaced(name: Name, claim: Reading, sources: Sequence[Source]) -> str:
    """A name that a source has in the place of this one, between the same words; "" when there is none."""
    words = [s for s, at in claim.stems if not name.position <= at < name.position + name.length]
    before = [s for s, at in claim.stems if at < name.position][-1:]
    after = [s for s, at in claim.stems if at >= name.position + name.length][:1]
    for source in sources:
        span = source.reading
        if not after or any(word_in(word, span.words) for word in name.words):
            continue
        for at in (at for stem, at in span.stems if stem == after[0]):
            for other in span.names:
                behind = other.position + other.length
                lead = [t.stem for t in span.tokens[max(0, other.position - SLOT) : other.position] if t.stem]
                fits = not before or before[0] in lead or name.position == 0
                if (
                    0 <= at - behind < SLOT
                    and fits
                    and sure(other, sources)
                    and not set(_stems(span, other)) & set(words)
                ):
                    return shown(other)
    return ""


def _stems(reading: Reading, name: Name) -> list[str]:
    return [s for s, at in reading.stems if name.position <= at < name.position + name.length]


def quote_said(quote: str, sources: Sequence[Source]) -> bool:
    """Whether the quoted words stand in a source or its title, word for word."""
    if any(quote in source.flat for source in sources):
        return True
    titles = [flat(" ".join(t.word for t in source.title.tokens)) for source in sources]
    return any(quote in title for title in titles)


def name_spots(name: Name, sources: Sequence[Source]) -> list[tuple[Reading, int]]:
    """Where words of the name stand in the spans."""
    words = frozenset(name.words)
    return [
        (source.reading, at)
        for source in sources
        for at, token in enumerate(source.reading.tokens)
        if token.stem and word_in(token.word, words)
    ]


def number_spots(number: Number, sources: Sequence[Source]) -> list[tuple[Reading, int]]:
    """Where the spans give the number."""
    return [(s.reading, n.position) for s in sources for n in s.reading.numbers if number.agrees(n)]


@lru_cache(maxsize=16384)
def word_in(word: str, words: frozenset[str]) -> bool:
    """Whether a word of a name stands among others, as "Chinese" does with "China"."""
    return word in words or PLACES.get(word) in words or any(_same_root(word, other) for other in words)


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


def _spelt_out(name: Name, claim: Reading, source: Source) -> bool:
    """Whether the claim itself gives, in brackets close behind, the short form that the span has: "... (INGV)"."""
    end = name.position + name.length
    tokens = claim.tokens
    for at in range(end, min(end + 8, len(tokens) - 1)):
        if tokens[at].word == "(":
            short = tokens[at + 1].word
            return short in source.reading.words and all(word[0] in short for word in name.words)
    return False


def _same_root(one: str, other: str) -> bool:
    """ "Chinese" and "China", "Belgian" and "Belgium", "Japan" and "Japanese", "Koreas"."""
    if PLACES.get(other) == one:
        return True
    short, long = sorted((one, other), key=len)
    root = short[:-1] if short[-1] in "aeoy" else short
    if len(root) >= 4 and long.startswith(root) and long[len(root) :] in _ROOT_ENDINGS:
        return True
    return len(short) > 5 and {short[-2:], long[-2:]} == {"um", "an"} and short[:-2] == long[:-2]


_ROOT_ENDINGS = frozenset("a e o y s n an ian ians ans ese ean eans ish ic i is".split())
