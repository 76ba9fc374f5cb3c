"""Sentences -> claims that are true to them, and claims that are subtly not; all by seeded rules."""

import random
import re
from collections.abc import Iterator, Sequence

Variant = tuple[str, str, bool]  # kind, text, supported
FRAGMENTS = 0.25  # share of the answers that stand alone where no statement can be made of them

_SYNONYMS = {
    "began": "started", "located": "situated", "approximately": "about", "many": "numerous", "used": "employed",
    "large": "big", "built": "constructed", "called": "named", "received": "got", "important": "significant",
    "usually": "normally", "however": "but", "often": "frequently", "obtained": "gained", "required": "needed",
    "show": "demonstrate", "help": "assist", "created": "made", "entire": "whole", "during": "in", "near": "close to",
    "such as": "like", "because": "as", "although": "though", "become": "turn into", "various": "different",
    "main": "primary", "primarily": "mainly", "attempt": "try", "area": "region", "people": "persons",
    "purchase": "buy", "within": "inside", "consists of": "is made up of", "known as": "called", "allowed": "let",
    "established": "founded", "several": "a number of", "died": "passed away", "roughly": "about",
}  # fmt: skip
_ANTONYMS = {
    "more": "less", "most": "least", "increase": "decrease", "increased": "decreased", "before": "after",
    "after": "before", "first": "last", "high": "low", "higher": "lower", "large": "small", "larger": "smaller",
    "largest": "smallest", "early": "late", "earlier": "later", "won": "lost", "support": "oppose",
    "supported": "opposed", "began": "ended", "old": "new", "long": "short", "strong": "weak", "always": "never",
    "include": "exclude", "include ": "exclude ", "common": "rare", "rise": "fall", "rose": "fell",
    "accepted": "rejected", "joined": "left", "success": "failure", "best": "worst", "major": "minor",
    "allowed": "forbade", "import": "export", "public": "private", "many": "few", "positive": "negative",
}  # fmt: skip
_AUXILIARY = re.compile(r"\b(is|are|was|were|has|have|had|can|could|will|would|may|might|should|does|did)\b(?! not)")
_NEGATED = re.compile(
    r"\b(is|are|was|were|has|have|had|can|could|will|would|may|might|should|does|did|do) not (?!only)\b"
)
_TAIL = re.compile(
    r",\s(?:which|who|where|while|although|though|whereas|as well as|including|such as|but|so)\b.*|;.*|\s[–—]\s.*"
)
_ASIDE = re.compile(r"\s*\([^()]*\)|,\s(?:which|who)\b[^,]*,")
_FRONT = re.compile(r"^((?:In|On|By|During|After|Since|At|From|For|Under)\s[^,]{3,40}),\s+(.+?)\.?$")
_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w,]*\d)")
_LARGE = re.compile(
    r"(?<![\w.,])(?<!over )(?<!than )(?<!over [$€£])(?<!than [$€£])(\d+)\.(\d)\d* (?=million|billion|trillion)"
)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w’'-]+(?: (?:of )?[A-Z][\w’'-]+)*")
_ASKED_SUBJECT = re.compile(
    r"^(?:who|what|which(?: \w+){1,2}?|what \w+) (?!do\b|does\b|did\b|is\b|are\b|was\b|were\b|can\b|could\b|has\b"
    r"|have\b|had\b|will\b|would\b|may\b|should\b|kind|type|year|of\b)(\w+(?:s|ed|ld|nt|de|ve|an|ok|on)\b .+?)\?*$",
    re.IGNORECASE,
)
_ASKED_IS = re.compile(r"^(who|what) (is|are|was|were) ((?:the|an?|\w+['’]s) .+?)\?*$", re.IGNORECASE)
_HOW_MANY = re.compile(
    r"^how many (\w+ (?:\w+ed|are|were|is|was|have|had|make|made|live|can|took) .+?)\?*$", re.IGNORECASE
)


def variants(texts: Sequence[str], at: int, rng: random.Random) -> Iterator[Variant]:
    """Claims about sentence `at` of `texts`; several kinds, each at most once."""
    text = texts[at]
    if not 7 <= len(text.split()) <= 45:
        return
    others = [t for n, t in enumerate(texts) if n != at]
    made = [*_faithful(texts, at, rng), *_corrupted(text, others, rng)]
    yield from ((kind, new, ok) for kind, new, ok in made if new and new != text and len(new.split()) > 4)
    if rng.random() < 0.3:
        yield "verbatim", text, True


def misrounded(text: str) -> str:
    """The sentence with its first "5.1 million" as "6 million", or "5.9 million" as "5 million"; "" without such."""
    found = next((n for n in _LARGE.finditer(text) if n[2] not in "05"), None)
    if not found or not 7 <= len(text.split()) <= 45:
        return ""
    wrong = int(found[1]) + (found[2] < "5")
    return _put(text, found, f"{wrong} ") if wrong else ""


def _faithful(texts: Sequence[str], at: int, rng: random.Random) -> Iterator[Variant]:
    text = texts[at]
    short = _stop(_TAIL.sub("", _ASIDE.sub("", text)))
    light = _reword(short, rng)
    yield "shortened", short, True
    yield "reworded", light, True
    if front := _FRONT.match(short):
        yield (
            "reordered",
            _reword(f"{front[2][0].upper()}{front[2][1:]} {front[1][0].lower()}{front[1][1:]}.", rng),
            True,
        )
    if rng.random() < 0.3:
        yield "framed", f"According to the article, {_lower(light)}", True
    if at + 1 < len(texts) and len(short.split()) < 20:
        after = _stop(_TAIL.sub("", _ASIDE.sub("", texts[at + 1])))
        if len(after.split()) < 20 and not re.match(r"(?:He|She|It|They|This|These|However)\b", after):
            yield "joined", f"{short[:-1]}, and {_lower(after)}", True


def _corrupted(text: str, others: Sequence[str], rng: random.Random) -> Iterator[Variant]:
    base = _reword(_stop(_TAIL.sub("", _ASIDE.sub("", text))), rng)
    numbers = list(_NUMBER.finditer(base))
    if numbers:
        found = rng.choice(numbers)
        yield "number", _put(base, found, _other_number(found[0], rng)), False
        elsewhere = [n for t in others for n in _NUMBER.findall(t) if n not in text and len(n) == len(found[0])]
        if elsewhere:
            yield "number_swapped", _put(base, found, rng.choice(elsewhere)), False
    yield from _names_corrupted(base, text, others, rng)
    if auxiliary := _AUXILIARY.search(base):
        yield "negated", _put(base, auxiliary, f"{auxiliary[1]} not"), False
    if negated := _NEGATED.search(base):
        yield "affirmed", _put(base, negated, f"{negated[1]} "), False
    turned = [m for m in re.finditer(r"\b\w+\b", base) if m[0] in _ANTONYMS]
    if turned:
        found = rng.choice(turned)
        yield "antonym", _put(base, found, _ANTONYMS[found[0]]), False
    yield from _mixed(base, text, others, rng)


def _names_corrupted(base: str, text: str, others: Sequence[str], rng: random.Random) -> Iterator[Variant]:
    names = list(_NAME.finditer(base))
    if not names:
        return
    found = rng.choice(names)
    elsewhere = [n for t in others for n in _NAME.findall(t) if n not in text and found[0] not in n]
    if elsewhere:
        yield "name", _put(base, found, rng.choice(elsewhere)), False
    distinct = list(dict.fromkeys(m[0] for m in names))
    if len(distinct) >= 2:
        one, two = rng.sample(distinct, 2)
        between = base[base.find(one) : base.find(two)] or base[base.find(two) : base.find(one)]
        if one not in two and two not in one and len(between.split()) > 4 and " and " not in between:
            yield "roles_swapped", base.replace(one, "\0").replace(two, one).replace("\0", two), False


def _mixed(base: str, text: str, others: Sequence[str], rng: random.Random) -> Iterator[Variant]:
    """The subject of one sentence with the predicate of another; a true sentence with a foreign clause."""
    here = _AUXILIARY.search(base)
    ends = [t for t in others if 6 < len(t.split()) < 30]
    rng.shuffle(ends)
    for other in ends[:6]:
        there = _AUXILIARY.search(other)
        if not (here and there and here[0] == there[0]):
            continue
        if 2 <= len(base[: here.start()].split()) <= 8 and len(other[there.start() :].split()) > 5:
            yield "mixed", base[: here.start()] + _stop(_TAIL.sub("", other[there.start() :])), False
            break


def answers(question: str, right: Sequence[str], wrong: Sequence[str], rng: random.Random) -> Iterator[Variant]:
    """A question with its answer as a statement, and with the answer of another question of the passage."""
    true = min(right, key=len)
    false = [w for w in wrong if not _overlap(w, right) and w.lower() not in question.lower()]
    pairs = [(true, True)] + ([(rng.choice(false), False)] if false else [])
    for answer, supported in pairs:
        if len(answer.split()) > 10:
            continue
        if statement := _statement(question, answer):
            yield "answer" if supported else "answer_wrong", statement, supported
        elif rng.random() < FRAGMENTS:
            yield "fragment" if supported else "fragment_wrong", _stop(answer[0].upper() + answer[1:]), supported


def _statement(question: str, answer: str) -> str:
    question = question.strip()
    if asked := _HOW_MANY.match(question):
        return _stop(f"{answer} {asked[1]}") if re.search(r"\d|^\w+$", answer) else ""
    if asked := _ASKED_IS.match(question):
        return _stop(f"{asked[3][0].upper()}{asked[3][1:]} {asked[2]} {answer}")
    if asked := _ASKED_SUBJECT.match(question):
        return _stop(f"{answer[0].upper()}{answer[1:]} {asked[1]}")
    return ""


def _overlap(answer: str, others: Sequence[str]) -> bool:
    words = set(re.findall(r"\w+", answer.lower()))
    return any(words & set(re.findall(r"\w+", other.lower())) for other in others)


def _reword(text: str, rng: random.Random) -> str:
    for word, other in _SYNONYMS.items():
        if rng.random() < 0.7:
            text = re.sub(rf"\b{word}\b", other, text)
    return text


def _other_number(number: str, rng: random.Random) -> str:
    digits = [i for i, c in enumerate(number) if c.isdigit()]
    at = digits[-1] if len(digits) > 1 else digits[0]
    if len(digits) > 2:
        at = rng.choice(digits[1:])
    new = rng.choice([d for d in "123456789" if d != number[at]])
    return number[:at] + new + number[at + 1 :]


def _put(text: str, found: "re.Match[str]", new: str) -> str:
    return text[: found.start()] + new + text[found.end() :]


def _stop(text: str) -> str:
    return text.rstrip(" .,;:!?") + "."


def _lower(text: str) -> str:
    """The first letter lower-cased where the word is a common one."""
    first = text.split(" ", 1)[0]
    common = {"The", "A", "An", "In", "It", "This", "These", "Many", "Most", "Some", "On", "For", "By", "At", "As"}
    return text[0].lower() + text[1:] if first in common else text
