"""A sentence -> what can be checked in it: content stems, numbers, names, quoted words, negation.

Reads English; of other languages it reads words, numbers, names and quoted words only.
Knows nothing of evidence, citations or verdicts.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from threading import local

from app.numbers import Number, read_numbers
from app.wordlists import (
    ALIASES,
    CONTRACTIONS,
    INSTEAD,
    NEGATIONS,
    NOT_NEGATED,
    OPPOSITES,
    PRONOUNS,
    STOPWORDS,
)

NEGATED_STEMS = 4  # content words that a negation is taken to govern
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[%$€£¥']|[,;:–()!?“”\"]|\.(?=\s|$)|\.\.\.|…|-")
_QUOTED = re.compile(r"[“\"]([^“”\"]{2,400})[”\"]")
_WORD = re.compile(r"\w+")
_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af])")
_PLAIN = str.maketrans({"’": "'", "‘": "'", "„": "“", "«": "“", "»": "”", "‐": "-", "‑": "-", "—": "–"})
_BREAKS = frozenset(',;:–()!?“”".') | {"...", "…"}


@dataclass(frozen=True)
class Token:
    """A word, number or mark; `stem` is "" for marks and words without content."""

    word: str
    stem: str
    capital: bool


@dataclass(frozen=True)
class Name:
    """A run of capitalised words, lower-cased, at `position` over `length` tokens.

    `certain` is false for a lone word that opens a sentence.
    """

    words: tuple[str, ...]
    position: int
    length: int
    certain: bool = True


@dataclass(frozen=True)
class Reading:
    """What one sentence says, as far as it can be checked without understanding it.

    `stems` are the content words in order with their token positions; `negated` the stems that
    each negation governs; `poles` the sides taken of opposites such as rise and fall.
    """

    tokens: tuple[Token, ...]
    stems: tuple[tuple[str, int], ...]
    numbers: tuple[Number, ...]
    names: tuple[Name, ...]
    quoted: tuple[str, ...]
    negated: tuple[frozenset[str], ...]
    poles: frozenset[tuple[int, int]]
    pronoun: bool

    @property
    def stem_set(self) -> frozenset[str]:
        """The content stems without order."""
        return frozenset(stem for stem, _ in self.stems)

    @property
    def words(self) -> frozenset[str]:
        """Every word, lower-cased."""
        return frozenset(token.word for token in self.tokens)

    @property
    def initials(self) -> frozenset[str]:
        """The initials of each name of two words or more: "asian infrastructure bank" gives "aib"."""
        return frozenset("".join(word[0] for word in name.words) for name in self.names if len(name.words) > 1)


@lru_cache(maxsize=4096)
def read(text: str) -> Reading:
    """Read one sentence."""
    plain = _plain(text)
    tokens = tuple(_tokens(plain))
    numbers = tuple(read_numbers([token.word for token in tokens]))
    taken = {position for number in numbers for position in range(number.position, number.end)}
    stems = tuple((t.stem, i) for i, t in enumerate(tokens) if t.stem and i not in taken)
    return Reading(
        tokens=tokens,
        stems=stems,
        numbers=numbers,
        names=tuple(_names(tokens)),
        quoted=tuple(quote for found in _QUOTED.findall(plain) for quote in _pieces(found)),
        negated=tuple(_negated(tokens)),
        poles=frozenset(OPPOSITES[t.word] for t in tokens if t.word in OPPOSITES and not t.capital),
        pronoun=any(token.word in PRONOUNS for token in tokens),
    )


def flat(text: str) -> str:
    """The words of `text` alone, lower-cased, with single blanks and one at each end: for verbatim search."""
    return f" {' '.join(_WORD.findall(text.translate(_PLAIN).casefold()))} "


def stem(word: str) -> str:
    """The English stem of a lower-case word."""
    if not hasattr(_stemmers, "english"):
        import Stemmer

        _stemmers.english = Stemmer.Stemmer("english")
    return str(_stemmers.english.stemWord(word))


_stemmers = local()  # a stemmer may not be shared between threads


def _plain(text: str) -> str:
    text = _CJK.sub(r" \1 ", text.translate(_PLAIN))
    for pattern, replacement in (*ALIASES, *CONTRACTIONS):
        text = pattern.sub(replacement, text)
    return text


def _tokens(plain: str) -> list[Token]:
    found = []
    for word in _TOKEN.findall(plain):
        lower = word.casefold()
        content = word[0].isalnum() and lower not in STOPWORDS and (len(lower) > 1 or not lower.isascii())
        found.append(Token(lower, stem(lower) if content else "", word[0].isupper()))
    return found


def _names(tokens: tuple[Token, ...]) -> list[Name]:
    """Runs of capitalised words; none in a heading, where most words are capitalised."""
    words = [token for token in tokens if token.word[0].isalpha()]
    content = [token for token in words if token.stem]
    if len(content) > 6 and sum(token.capital for token in content) > 0.8 * len(content):
        return []
    names: list[Name] = []
    start = 0
    while start < len(tokens):
        end = start
        while end < len(tokens) and (tokens[end].capital or _hyphen(tokens, end)):
            end += 1
        if end > start:
            names += _name(tokens, start, end)
        start = max(end, start + 1)
    return names


def _hyphen(tokens: tuple[Token, ...], at: int) -> bool:
    """Whether a name goes on here: a hyphen inside "Kil-song", or the small word behind one."""
    if tokens[at].word == "-":
        return 0 < at < len(tokens) - 1 and tokens[at - 1].capital and bool(tokens[at + 1].stem)
    return at > 1 and tokens[at - 1].word == "-" and tokens[at - 2].capital and len(tokens[at].word) <= 6


def _name(tokens: tuple[Token, ...], start: int, end: int) -> list[Name]:
    opens = start == 0 or tokens[start - 1].word in {".", "“", '"', ":", "?", "!"}
    while start < end and not tokens[start].stem:
        start, opens = start + 1, False
    words = tuple(token.word for token in tokens[start:end] if token.stem)
    if not words:
        return []
    return [Name(words, start, end - start, certain=not (opens and len(words) == 1))]


def _negated(tokens: tuple[Token, ...]) -> list[frozenset[str]]:
    found = []
    for at, token in enumerate(tokens):
        instead = (token.word, _next_word(tokens, at)) in INSTEAD
        if (not instead and token.word not in NEGATIONS) or (
            token.word == "not" and _next_word(tokens, at) in NOT_NEGATED
        ):
            continue
        governed: list[str] = []
        for later in tokens[at + 1 :]:
            if later.word in _BREAKS or later.word == "but" or len(governed) == NEGATED_STEMS:
                break
            governed += [later.stem] if later.stem else []
        if governed:
            found.append(frozenset(governed))
    return found


def _next_word(tokens: tuple[Token, ...], at: int) -> str:
    return tokens[at + 1].word if at + 1 < len(tokens) else ""


def _pieces(quote: str) -> list[str]:
    """A quotation's parts between ellipses, flat, those with a letter."""
    return [piece for part in re.split(r"\.\.\.|…|\[[^\]]*\]", quote) if (piece := flat(part)).strip()]
