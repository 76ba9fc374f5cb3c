"""The numbers of a sentence, in one form: "five" is 5, "$11 billion" is "11 billion dollars".

Knows nothing of what the numbers count.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SMALL = {word: float(value) for value, word in enumerate(_UNITS)} | {
    word: 10.0 * value for value, word in enumerate(_TENS, 2)
}
_SCALES = {
    "hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "millions": 1e6, "m": 1e6, "mn": 1e6,
    "billion": 1e9, "billions": 1e9, "bn": 1e9, "b": 1e9, "trillion": 1e12, "tn": 1e12, "dozen": 12.0,
}  # fmt: skip
_LETTER_SCALES = frozenset({"k", "m", "mn", "b", "bn", "tn"})
_ORDINALS = {
    word: float(value)
    for value, word in enumerate(
        "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(), 3
    )
}  # fmt: skip
_KINDS = {
    "%": "%", "percent": "%", "percentage": "%", "$": "$", "dollar": "$", "dollars": "$", "usd": "$",
    "€": "€", "euro": "€", "euros": "€",
    "£": "£", "pound": "£", "pounds": "£", "¥": "¥", "yen": "¥", "yuan": "¥",
}  # fmt: skip
_ROUNDING = frozenset(
    "about around approximately almost nearly roughly over above under some circa least than estimated".split()
)
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*$")


@dataclass(frozen=True)
class Number:
    """A value with its kind ("%", a currency sign, or ""), as it stands in tokens `position` to `end`.

    `decade` marks "1990s". `step` is the place of the last digit written (10,000 for "1.23 million"),
    `rounded` whether the words allow that it was rounded ("about", "million").
    """

    value: float
    kind: str
    decade: bool
    step: float
    rounded: bool
    position: int
    end: int
    text: str

    def agrees(self, other: "Number") -> bool:
        """Whether a text that gives `other` bears out this number."""
        if self.kind and self.kind != other.kind:
            return False
        if self.decade != other.decade:
            return False
        if abs(self.value - other.value) <= 1e-9 * max(1.0, abs(self.value)):
            return True
        return self.rounded and other.step < self.step and abs(self.value - other.value) < self.step


def read_numbers(words: Sequence[str]) -> list[Number]:
    """The numbers in a list of lower-case words and marks. A bare "one" is a pronoun, not a number."""
    found: list[Number] = []
    at = 0
    while at < len(words):
        number = _number(words, at)
        if number:
            found.append(number)
        at = number.end if number else at + 1
    return found


def _number(words: Sequence[str], start: int) -> Number | None:
    digits = bool(_DIGITS.match(words[start]))
    end = start + 1
    if digits:
        value, step = _value(words[start])
        end, scale = _scale(words, end)
        value, step = value * scale, step * scale
    else:
        spelt = _spelt(words, start)
        if spelt is None:
            return None
        value, step, end = spelt
        scale = 1.0
    if words[start] == "one" and end == start + 1:
        return None
    decade = digits and end < len(words) and words[end] in {"s", "'"} and value % 10 == 0
    end += decade
    if digits and end < len(words) and words[end] in {"st", "nd", "rd", "th"}:
        end += 1
    kind, end = _kind(words, start, end)
    rounded = scale >= 1e3 or bool(_ROUNDING.intersection(words[max(0, start - 3) : start]))
    return Number(value, kind, decade, step, rounded, start, end, " ".join(words[start:end]))


def _value(digits: str) -> tuple[float, float]:
    """The value and the place of the last digit: "181,674" is (181674, 1), "1.5" is (1.5, 0.1)."""
    whole, point, part = digits.rpartition(".")
    if point and not ("," in part or (whole.count(".") and len(part) == 3)):
        return float(whole.replace(",", "").replace(".", "") + "." + part), 10.0 ** -len(part)
    bare = re.sub(r"[.,]", "", digits)
    zeros = len(bare) - len(bare.rstrip("0")) if len(bare) > 3 else 0
    return float(bare), 10.0**zeros


def _scale(words: Sequence[str], at: int) -> tuple[int, float]:
    """The scale word that follows digits, hyphen or not: "11 billion", "11-billion", "11bn"."""
    scale = 1.0
    while at < len(words):
        skip = at + 1 if words[at] == "-" and at + 1 < len(words) and words[at + 1] in _SCALES else at
        if words[skip] not in _SCALES:
            break
        scale *= _SCALES[words[skip]]
        at = skip + 1
    return at, scale


def _spelt(words: Sequence[str], start: int) -> tuple[float, float, int] | None:
    """A number in words: value, step and the position after it."""
    if words[start] in _ORDINALS:
        return _ORDINALS[words[start]], 1.0, start + 1
    total, part, at, seen = 0.0, 0.0, start, False
    while at < len(words):
        word = words[at]
        if word in _SMALL:
            part += _SMALL[word]
        elif seen and word in _SCALES and word not in _LETTER_SCALES:
            part = max(part, 1.0) * _SCALES[word]
            if _SCALES[word] >= 1e3:
                total, part = total + part, 0.0
        elif not (seen and word in {"-", "and"} and at + 1 < len(words) and _continues(words, at)):
            break
        seen, at = True, at + 1
    return (total + part, 1.0, at) if seen else None


def _continues(words: Sequence[str], at: int) -> bool:
    """Whether "-" or "and" stands inside a number: "twenty-five", "one hundred and five"."""
    if words[at] == "-":
        return (words[at - 1] in _TENS and words[at + 1] in _SMALL) or words[at + 1] in _SCALES
    return words[at - 1] in {"hundred", "thousand"} and words[at + 1] in _SMALL


def _kind(words: Sequence[str], start: int, end: int) -> tuple[str, int]:
    if start and words[start - 1] in {"$", "€", "£", "¥"}:
        return words[start - 1], end
    after = end + 1 if end < len(words) and words[end] == "-" else end
    if words[after : after + 2] == ["per", "cent"]:
        return "%", after + 2
    if after < len(words) and words[after] in _KINDS:
        return _KINDS[words[after]], after + 1
    return "", end
