"""A sentence -> what can be checked in it: content stems, numbers, names, quoted words, negation.

Reads English; of other languages it reads words, numbers, names and quoted words only.
Knows nothing of evidence, citations or verdicts.
"""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from threading import local

from app.numbers import MINUS, Number, read_numbers
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
ASIDE = 8  # tokens at most between the commas of an aside
UNTIL = 8  # tokens from a "not" within which an "until" takes it back
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[%$€£¥'−]|[,;:–()!?“”\"]|\.(?=\s|$)|\.\.\.|…|-")
_HYPHEN = re.compile(r"(?<=[^\W\d_])−(?=\d)")  # of "F−16"
_SIGN = re.compile(r"(?<![^\s($€£¥])[-‐‑–](?=[$€£¥]?\d)")  # "-5", "(-5", "-$5"; not "F-16", "2010-15", "- 5"
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
class Pole:
    """A word with an opposite: `side` is (which pair of opposites, 0 or 1)."""

    side: tuple[int, int]
    position: int


@dataclass(frozen=True)
class Reading:
    """What one sentence says, as far as it can be checked without understanding it.

    `stems` are the content words in order with their token positions; `negated` the stems that
    each negation governs; `poles` the words that have an opposite, as rise has fall.
    """

    tokens: tuple[Token, ...]
    stems: tuple[tuple[str, int], ...]
    numbers: tuple[Number, ...]
    names: tuple[Name, ...]
    quoted: tuple[str, ...]
    negated: tuple[tuple[str, ...], ...]
    poles: tuple[Pole, ...]
    pronoun: bool

    @cached_property
    def stem_set(self) -> frozenset[str]:
        """The content stems without order."""
        return frozenset(stem for stem, _ in self.stems)

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word, lower-cased."""
        return frozenset(token.word for token in self.tokens)

    @cached_property
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
        negated=tuple(_negated(tokens, taken)),
        poles=tuple(_poles(tokens)),
        pronoun=any(token.word in PRONOUNS for token in tokens),
    )


def shown(name: Name) -> str:
    """The name as one writes it."""
    return " ".join(name.words).title()


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
    text = _CJK.sub(r" \1 ", _SIGN.sub(MINUS, _HYPHEN.sub("-", text)).translate(_PLAIN))
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


def _negated(tokens: tuple[Token, ...], taken: set[int]) -> list[tuple[str, ...]]:
    found = [_governed(tokens, at, taken) for at in range(len(tokens)) if _negates(tokens, at)]
    return list(dict.fromkeys(governed for governed in found if governed))


def _negates(tokens: tuple[Token, ...], at: int) -> bool:
    word, following = tokens[at].word, _next_word(tokens, at)
    if (word, following) in INSTEAD:
        return True
    if word not in NEGATIONS or (word == "not" and following in NOT_NEGATED):
        return False
    if word == "no" and ((at == 0 and following == ",") or following[:1].isdigit()):  # "No, it is open."; "No. 36"
        return False
    return all(token.word != "until" for token in tokens[at : at + UNTIL])  # "not until Friday": on Friday


def _governed(tokens: tuple[Token, ...], at: int, taken: set[int]) -> tuple[str, ...]:
    """The content words behind a negation, up to a break; those before a "not" that has none ("is not 5").

    Without those of names, which stand on either side of a "not", where there are others.
    """
    places: list[int] = []
    for place in range(_past_aside(tokens, at + 1), len(tokens)):
        if tokens[place].word in _BREAKS or tokens[place].word == "but":
            break
        places += [place] if tokens[place].stem and place not in taken else []
    if not places and tokens[at].word == "not":
        places = [place for place in range(at - 1, -1, -1) if tokens[place].stem and place not in taken]
    plain = [place for place in places if not tokens[place].capital] or places
    return tuple(tokens[place].stem for place in plain[:NEGATED_STEMS])


def _past_aside(tokens: tuple[Token, ...], start: int) -> int:
    """Where the sentence goes on behind an aside between commas: "not, on the whole, common"."""
    commas = [at for at in range(start, min(start + ASIDE, len(tokens))) if tokens[at].word == ","]
    return commas[1] + 1 if commas[:1] == [start] and len(commas) > 1 else start


def _poles(tokens: tuple[Token, ...]) -> list[Pole]:
    """Words with an opposite; not those of a name, as in "North Korea"."""
    opens = len(tokens) > 1 and not tokens[1].capital
    return [
        Pole(side, at)
        for at, token in enumerate(tokens)
        if not token.capital or (at == 0 and opens)
        for side in OPPOSITES.get(token.word, ())
    ]


def _next_word(tokens: tuple[Token, ...], at: int) -> str:
    return tokens[at + 1].word if at + 1 < len(tokens) else ""


def _pieces(quote: str) -> list[str]:
    """A quotation's parts between ellipses, flat, those with a letter."""
    return [piece for part in re.split(r"\.\.\.|…|\[[^\]]*\]", quote) if (piece := flat(part)).strip()]
