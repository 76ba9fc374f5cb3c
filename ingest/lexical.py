"""Text -> search tokens, and BM25 over them. Pure: knows nothing of SQLite or passages."""

import importlib.util
import math
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from ingest import UserError

# Raise it with any change of the tokens of a text: the index is then made anew.
TOKENS_FINGERPRINT = "tokens-1"
TITLE_WEIGHT = 1.0  # of a token in title or heading, against one in the text
K1, B = 1.2, 0.75  # BM25's usual constants (Robertson & Zaragoza 2009)

_LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "eu": "basque", "fi": "finnish", "fr": "french", "hu": "hungarian",
    "id": "indonesian", "it": "italian", "nb": "norwegian", "ne": "nepali", "nl": "dutch",
    "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sv": "swedish", "tr": "turkish",
}  # fmt: skip

# Scripts written without spaces: their words are found by pairs of characters.
_DENSE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff"
    r"\u3105-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_MARKS = r"\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0dff\u200c\u200d"
_TOKEN = re.compile(
    rf"(?P<dense>[{_DENSE}]+)"
    r"|(?P<dotted>(?:[^\W\d_]\.){2,})"
    r"|(?P<number>\d+(?:[.,]\d+)+)"
    rf"|(?P<word>(?:[A-Za-z0-9]+|(?![{_DENSE}])[^\W_]|[{_MARKS}])+(?:['’](?:(?![{_DENSE}])[^\W_])+)?)"
)
_VOWEL_SIGNS = re.compile("[\u0300-\u036f\u064b-\u065f\u0670]")
_GUESS_CHARACTERS = 4000
_CACHED_FORMS = 1 << 16  # words whose tokens are remembered, about 10 MB: most of a text is few words
_LONG = 40  # characters of a word that is not remembered

_local = threading.local()


def tokens(text: str, language: str) -> list[str]:
    """Casefolded, stemmed tokens of `text`; pairs of characters for scripts without spaces.

    `language` is a BCP 47 tag, which chooses the Snowball stemmer (none for others).
    """
    name = _stemmer_name(language)
    found: list[str] = []
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text)):
        found += _forms(match, name)
    return found


def query_tokens(text: str, languages: Sequence[str]) -> list[str]:
    """The distinct tokens to search for, in every language of the index, without stop words.

    A query of nothing but stop words keeps them.
    """
    found: dict[str, None] = {}
    every: dict[str, None] = {}
    for language in languages or ("en",):
        stop = _stop_words(language)
        name = _stemmer_name(language)
        for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text)):
            forms = dict.fromkeys(_forms(match, name))
            every |= forms
            if match[0].casefold().replace("’", "'") not in stop or _is_country(match[0]):
                found |= forms
    return list(found or every)


def guess_language(text: str) -> str:
    """The language whose stop words are the most of the words of `text`'s start; "en" in doubt."""
    return _guess(text[:_GUESS_CHARACTERS])


@lru_cache(maxsize=256)
def _guess(start: str) -> str:
    words = Counter(re.findall(r"[^\W\d_]+", start.casefold()))
    if not words:
        return "en"
    share = {code: sum(words[word] for word in words.keys() & _stop_words(code)) for code in _LANGUAGES}
    best = max(share, key=lambda code: share[code])
    return best if share[best] > 1.3 * share["en"] and share[best] * 8 > sum(words.values()) else "en"


@dataclass(frozen=True)
class Collection:
    """What BM25 needs of all passages: how many, their mean length, and where tokens occur."""

    passages: int
    mean_length: float
    document_frequency: Mapping[str, int]

    def idf(self, token: str) -> float:
        """Rarity of a token, always above 0 (Lucene's form of BM25's)."""
        frequency = self.document_frequency.get(token, 0)
        return math.log(1 + (self.passages - frequency + 0.5) / (frequency + 0.5))


def bm25(query: Sequence[str], title: Sequence[str], body: Sequence[str], collection: Collection) -> float:
    """The BM25 score (>= 0) of one passage, given as tokens of its title and heading and of its text."""
    length = (len(title) + len(body)) / (collection.mean_length or 1.0)
    present = {*query} & {*title, *body}
    score = 0.0
    for token in query:
        if token in present:
            count = TITLE_WEIGHT * title.count(token) + body.count(token)
            score += collection.idf(token) * count * (K1 + 1) / (count + K1 * (1 - B + B * length))
    return score


def _forms(match: re.Match[str], stemmer: str | None) -> tuple[str, ...]:
    text, kind = match[0], match.lastgroup or ""
    return (_known_forms if len(text) <= _LONG else _new_forms)(text, kind, stemmer)


def _new_forms(text: str, kind: str, stemmer: str | None) -> tuple[str, ...]:
    """The tokens of one match of `_TOKEN`; `kind` is the group that it matched."""
    if kind == "dense":
        return tuple(text[at : at + 2] for at in range(len(text) - 1)) or (text,)
    if kind == "number":
        return (text.replace(",", "").strip("."),)
    if kind == "dotted" or _is_country(text):
        return (_acronym(text.replace(".", "").casefold()),)
    word = re.sub(r"['’](s$)?", "", text.casefold())
    stem = _stemmer(stemmer) if stemmer else None
    return (_VOWEL_SIGNS.sub("", unicodedata.normalize("NFD", stem(word) if stem else word)),)


_known_forms = lru_cache(maxsize=_CACHED_FORMS)(_new_forms)


def _is_country(text: str) -> bool:
    return text in ("US", "U.S", "U.S.")


def _acronym(letters: str) -> str:
    return "u.s" if letters == "us" else letters  # not the pronoun, a stop word


def _stemmer_name(language: str) -> str | None:
    return _LANGUAGES.get(language.split("-")[0].lower())


def _stemmer(name: str) -> Any:
    """Stemmer objects are not safe across threads: each thread has its own."""
    stemmers = _local.__dict__.setdefault("stemmers", {})
    if name not in stemmers:
        import Stemmer

        stemmers[name] = Stemmer.Stemmer(name).stemWord
    return stemmers[name]


@cache
def _stop_words(language: str) -> frozenset[str]:
    """Those of nltk, which llama-index-core bundles."""
    name = _stemmer_name(language)
    if name is None:
        return frozenset()
    spec = importlib.util.find_spec("llama_index.core")
    if not spec or not spec.origin:
        raise UserError("The package llama-index-core is missing: run `make install`.")
    path = Path(spec.origin).parent / "_static/nltk_cache/corpora/stopwords" / name
    return frozenset(path.read_text("utf-8").split()) if path.exists() else frozenset()
