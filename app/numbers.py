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
# One unit in its spellings. A text may leave it out, as in "5 to 10 km", but not give another.
_UNITS_OF_MEASURE = {
    word: words.split()[0]
    for words in (
        "km kilometre kilometres kilometer kilometers", "mile miles", "metre metres meter meters", "foot feet ft",
        "cm centimetre centimetres centimeter centimeters", "mm millimetre millimetres millimeter millimeters",
        "kg kilogram kilograms kilo kilos", "gram grams", "ton tons tonne tonnes", "litre litres liter liters",
        "gallon gallons", "acre acres", "hectare hectares", "second seconds", "minute minutes", "hour hours",
        "day days", "week weeks", "month months", "year years", "decade decades", "century centuries",
        "celsius", "fahrenheit", "kelvin", "watt watts", "kw kilowatt kilowatts", "mw megawatt megawatts",
        "gw gigawatt gigawatts", "mph", "kmh",
    )
    for word in words.split()
}  # fmt: skip
_AT_LEAST = frozenset("over above exceeding".split())
_AT_MOST = frozenset("under below almost nearly".split())
_ROUNDING = frozenset(
    "about around approximately almost nearly roughly over above under some circa least than estimated".split()
)
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*$")


@dataclass(frozen=True)
class Number:
    """A value with its kind ("%", a currency sign, or ""), as it stands in tokens `position` to `end`.

    `decade` marks "1990s". `step` is the place of the last digit written (10,000 for "1.23 million"),
    `rounded` whether the words allow that it was rounded ("about", "million"); `bound` is 1 for "over five", -1 for
    "nearly five", else 0. `unit` is a unit of measure in one spelling, or "".
    """

    value: float
    kind: str
    decade: bool
    step: float
    rounded: bool
    position: int
    end: int
    text: str
    unit: str = ""
    bound: int = 0

    @property
    def year(self) -> bool:
        """Whether it may be a year: 1812, not 1,812 or 1812 km."""
        return not (self.kind or self.unit) and self.text.isdigit() and 1000 <= self.value < 2200

    def like(self, other: "Number") -> bool:
        """Whether both are of one kind, so that one might be taken for the other."""
        return (self.kind, self.unit, self.year, self.decade) == (other.kind, other.unit, other.year, other.decade)

    def agrees(self, other: "Number") -> bool:
        """Whether a text that gives `other` bears out this number."""
        if self.kind and self.kind != other.kind:
            return False
        if self.decade != other.decade or (self.unit and other.unit and self.unit != other.unit):
            return False
        if abs(self.value - other.value) <= 1e-9 * max(1.0, abs(self.value)):
            return True
        if self.bound * (other.value - self.value) < 0:
            return False
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
    text, before = " ".join(words[start:end]), words[max(0, start - 3) : start]
    rounded = scale >= 1e3 or bool(_ROUNDING.intersection(before))
    unit = "" if kind or decade else _unit(words, end)
    return Number(value, kind, decade, step, rounded, start, end, text, unit, _bound(before))


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


def _unit(words: Sequence[str], at: int) -> str:
    """The unit of measure behind a number: "5 km", "5-mile", "20 degrees Celsius"."""
    following = [word for word in words[at : at + 2] if word not in {"-", "degrees", "degree", "square", "cubic"}]
    return _UNITS_OF_MEASURE.get(following[0], "") if following else ""


def _bound(before: Sequence[str]) -> int:
    """1 where the words before a number say "over" or "at least", -1 where they say "nearly" or "at most"."""
    if len(before) > 1 and before[-1] == "than":
        return {"more": 1, "greater": 1, "higher": 1, "less": -1, "fewer": -1, "lower": -1}.get(before[-2], 0)
    last = set(before[-2:])
    return 1 if last & _AT_LEAST or before[-2:] == ["at", "least"] else -1 if last & _AT_MOST else 0


def _kind(words: Sequence[str], start: int, end: int) -> tuple[str, int]:
    if start and words[start - 1] in {"$", "€", "£", "¥"}:
        return words[start - 1], end
    after = end + 1 if end < len(words) and words[end] == "-" else end
    if list(words[after : after + 2]) == ["per", "cent"]:
        return _points(words, after + 2)
    if after < len(words) and words[after] in _KINDS:
        kind = _KINDS[words[after]]
        return _points(words, after + 1) if kind == "%" else (kind, after + 1)
    return "", end


def _points(words: Sequence[str], at: int) -> tuple[str, int]:
    """ "5 percentage points" is not "5 percent"."""
    return ("points", at + 1) if at < len(words) and words[at] in {"point", "points"} else ("%", at)
