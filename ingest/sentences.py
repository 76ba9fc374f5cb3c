"""Text -> sentences, as exact character spans.

Where a stop ends a sentence is decided as Punkt does (Kiss & Strunk, "Unsupervised Multilingual
Sentence Boundary Detection", 2006, section 4) with the data that llama-index-core bundles. The
rules are applied here and not by nltk's class: that takes 2 s to import, runs its patterns under
a wall clock (so a busy machine changes the result), knows no stop but . ? ! and often moves
curly quotes, notes and Markdown marks into the wrong sentence.
"""

import importlib.util
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from ingest import UserError
from ingest.blocks import blocks

MAX_CHARACTERS = 1000  # a longer run without a stop is cut
MAX_CJK = 300  # likewise, of characters that are each about a word
_LONGEST_GLUED = 100  # characters that are kept in one piece when a long run is cut

LANGUAGES = {
    "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "fi": "finnish", "fr": "french", "it": "italian", "ml": "malayalam",
    "nb": "norwegian", "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pl": "polish",
    "pt": "portuguese", "ru": "russian", "sl": "slovene", "sv": "swedish", "tr": "turkish",
}  # fmt: skip

# Never before a boundary, and never before one when a number follows: what Punkt's data,
# learnt from newspapers, lacks or holds for too weak.
_JOINS = """
i.e e.g cf viz vs dr mr mrs ms mx prof gen sen rep gov lt col sgt capt rev hon messrs mme mlle amb
approx ca z.b d.h u.a bzw fa p.ej
""".split()
_JOINS_NUMBER = """
no nos fig figs eq eqs vol vols ch chap sec sect art arts p pp par para nr num núm ed tab ref refs
cap bd abs s st jan feb mar apr jun jul aug sep sept oct nov dec
""".split()

_CJK = (
    r"\u1100-\u11ff\u2e80-\u2fdf\u3040-\u30ff\u3105-\u312f\u3400-\u4dbf\u4e00-\u9fff"
    r"\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_CLOSE = r"""[)\]}"'’”»›*_`」』）】》〉〕]"""
_NOTE = r"\[(?:\d{1,4}|[a-z]|note \d+|citation needed)\]|[⁰¹²³⁴-⁹]"
_STOPS = "[.!?…‼⁇-⁉؟۔।॥።፧။។៕]"
# A stop with what closes after it, before white space: . ! ? and the stops of other scripts. Looked
# for at the first of a run alone: where that fails the others would, each after reading the run anew.
_STOP = re.compile(
    rf"(?P<cjk>[。！？｡]+{_CLOSE}*)"
    rf"|(?<!{_STOPS})(?P<stop>{_STOPS}+)(?:{_CLOSE}|{_NOTE})*(?=\s|(?<=[”»])[A-Z])"
)
_HARD = re.compile(r"[!?‼⁇-⁉؟۔।॥።፧။។៕]")
_WORD_BEFORE = re.compile(r"[^\s(\[{\"“‘«„—–/*]*$")
_OPEN = re.compile(r"""[\s"'“‘«„(\[{*_¿¡「『（]*""")
_WORD_AFTER = re.compile(r"[^\s,;:!?)\]}\"”’»*]+")
_NUMBER = re.compile(r"-?[.,]?\d[\d,.\-]*$")
_CONTINUES = re.compile(r"[，、,；\u3040-\u309f]")  # after a closed quote: と言った, ，他说
_KEEP_WHOLE = re.compile(r"!?\[[^\]\n]{0,500}\]\([^)\s]{0,2000}\)|`[^`\n]{1,500}`")
_DENSE = re.compile(f"[{_CJK}]")
_LETTER = re.compile(r"[^\W\d_]")
_CLAUSE_END = re.compile(r"[;:,，、；：—–]\s*|\s+")
_GLUED = re.compile(r"[\u0300-\u036f\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\u0900-\u0903\u093a-\u094f]")

# How Punkt's data code where a word was seen: after a boundary, inside a sentence, unknown;
# upper or lower case.
_MID_UPPER, _ANY_UPPER, _BEGIN_LOWER, _ANY_LOWER = 4, 14, 16, 112


@dataclass(frozen=True)
class Punkt:
    """What Punkt learnt of one language."""

    abbreviations: frozenset[str]
    starters: frozenset[str]
    collocations: frozenset[tuple[str, str]]
    orthography: dict[str, int]


def sentence_spans(text: str, language: str | None = None) -> list[tuple[int, int]]:
    """(start, end) of each sentence of Markdown `text`, in order, without surrounding white space.

    A sentence never crosses a paragraph, list item, table row or heading; headings, rules and
    list markers are in none. `language` is a BCP 47 tag; English rules without one. Text without
    a stop is cut at a clause or white space after at most MAX_CHARACTERS.
    """
    rules = language_rules(language)
    return [span for block in blocks(text) for span in block_sentences(text, block.start, block.end, rules)]


def language_rules(language: str | None) -> Punkt:
    """The rules for a BCP 47 tag; those of English when there are none for it."""
    return _punkt(LANGUAGES.get((language or "en").split("-")[0].lower(), "english"))


def block_sentences(text: str, start: int, end: int, rules: Punkt) -> Iterator[tuple[int, int]]:
    """The sentences of one block `text[start:end]`, which has no white space at its ends."""
    block = text[start:end]
    spans = _join_fragments(block, _trimmed(block, [0, *_boundaries(block, rules), len(block)]))
    for left, right in spans:
        for a, b in _bounded(block, left, right):
            yield start + a, start + b


def _boundaries(block: str, rules: Punkt) -> Iterator[int]:
    whole = deque(match.span() for match in _KEEP_WHOLE.finditer(block))
    cased = any(char.isupper() for char in block)
    for match in _STOP.finditer(block):
        cut = match.end()
        while whole and whole[0][1] < cut:
            whole.popleft()
        if whole and whole[0][0] < match.start() < whole[0][1]:
            continue
        if match["cjk"]:
            closed = match["cjk"][-1] not in "。！？｡"
            if not (closed and _CONTINUES.match(block, cut)):
                yield cut
        elif cut < len(block) and _ends(block, match, cased, rules):
            yield cut


def _ends(block: str, match: re.Match[str], cased: bool, rules: Punkt) -> bool:
    """Whether the stop of `match` ends a sentence, by the words on both sides of it."""
    opening = _OPEN.match(block, match.end())
    word = _WORD_AFTER.match(block, opening.end() if opening else match.end())
    after = word[0] if word else ""
    if cased and after[:1].islower() and after.islower():
        return False
    if _HARD.search(match["stop"]):
        return True
    after_type = _type(after.rstrip("."))
    if match["stop"] != ".":
        return _starts(after, after_type, rules)
    before = _word_before(block, match.start())
    kind = _type(before)
    if kind in _JOINS or (kind in _JOINS_NUMBER and after[:1].isdigit()):
        return False
    if (kind, after_type) in rules.collocations:
        return False
    initial = len(before) == 1 and before.isalpha()
    if not initial and (kind in rules.abbreviations or kind.rsplit("-")[-1] in rules.abbreviations):
        return _starts(after, after_type, rules)
    if initial or kind == "##number##":
        return _starts_after_initial(after, after_type, initial, rules)
    return True


def _word_before(block: str, end: int) -> str:
    window = block[max(0, end - 50) : end]
    found = _WORD_BEFORE.search(window)
    return found[0] if found else ""


def _type(word: str) -> str:
    return "##number##" if _NUMBER.match(word) else word.lower()


def _starts(word: str, kind: str, rules: Punkt) -> bool:
    """After an abbreviation or ellipsis: is `word` known to start sentences (section 4.2)."""
    seen = rules.orthography.get(kind, 0)
    upper = word[:1].isupper()
    if upper and seen & _ANY_LOWER and not seen & _MID_UPPER:
        return True
    return upper and kind in rules.starters


def _starts_after_initial(word: str, kind: str, initial: bool, rules: Punkt) -> bool:
    """After an initial or a number with a stop (section 4.3)."""
    seen = rules.orthography.get(kind, 0)
    if word[:1].islower() and (seen & _ANY_UPPER or not seen & _BEGIN_LOWER):
        return False
    return not (initial and word[:1].isupper() and not seen & _ANY_LOWER)


def _trimmed(block: str, cuts: list[int]) -> Iterator[tuple[int, int]]:
    for left, right in pairwise(cuts):
        piece = block[left:right]
        start = left + len(piece) - len(piece.lstrip())
        end = start + len(piece.strip())
        if start < end:
            yield start, end


def _join_fragments(block: str, spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Give "1." or "(2)." to the sentence after it, and what is left at the end to the one before."""
    held: tuple[int, int] | None = None
    ready: tuple[int, int] | None = None
    for start, end in spans:
        start = held[0] if held else start
        held = None
        if end - start < 8 and not _LETTER.search(block, start, end):
            held = (start, end)
            continue
        if ready:
            yield ready
        ready = (start, end)
    if held:
        ready = (ready[0], held[1]) if ready else held
    if ready:
        yield ready


def _bounded(block: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a span that is too long, at a clause end or white space if there is one."""
    while start < end:
        limit = MAX_CJK if _DENSE.search(block, start, min(end, start + MAX_CJK)) else MAX_CHARACTERS
        cut = end if end - start <= limit else _cut(block, start, start + limit)
        stripped = block[start:cut].rstrip()
        if stripped:
            yield start, start + len(stripped)
        start = cut
        while start < end and block[start].isspace():
            start += 1


def _cut(block: str, start: int, limit: int) -> int:
    places = [match.end() for match in _CLAUSE_END.finditer(block, start + (limit - start) // 2, limit)]
    if places:
        clauses = [place for place in places if not block[place - 2 : place].isspace()]
        return max(clauses or places)
    whole = limit
    while whole > max(start + 1, limit - _LONGEST_GLUED) and _GLUED.match(block, whole):
        whole -= 1
    return limit if _GLUED.match(block, whole) else whole


@cache
def _punkt(language: str) -> Punkt:
    spec = importlib.util.find_spec("llama_index.core")
    if not spec or not spec.origin:
        raise UserError("The package llama-index-core is missing: run `make install`.")
    folder = Path(spec.origin).parent / "_static/nltk_cache/tokenizers/punkt_tab" / language

    def lines(name: str) -> list[str]:
        return [line for line in (folder / name).read_text("utf-8").split("\n") if line]

    pairs = [line.split("\t") for line in lines("collocations.tab")]
    return Punkt(
        abbreviations=frozenset(lines("abbrev_types.txt")),
        starters=frozenset(lines("sent_starters.txt")),
        collocations=frozenset((pair[0], pair[1]) for pair in pairs if len(pair) == 2),
        orthography={word: int(code) for word, code in (li.split("\t") for li in lines("ortho_context.tab"))},
    )
