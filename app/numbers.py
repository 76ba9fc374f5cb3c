"""The numbers of a sentence, in one form: "five" is 5, "$11 billion" is "11 billion dollars".

Knows nothing of what the numbers count.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.wordlists import FALLS

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
        "km kilometre kilometres kilometer kilometers", "mile miles", "metre metres meter meters m", "foot feet ft",
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
_AT_MOST = frozenset("under below".split())
_NEARLY = frozenset("almost nearly".split())
_ROUNDING = frozenset(
    "about around approximately almost nearly roughly over above under some circa least than estimated".split()
)
# Behind "324 m": of a length, not of millions.
_DIMENSIONS = frozenset("high tall long wide deep thick broad below apart".split())
_DEGREES = frozenset("degrees degree celsius fahrenheit centigrade c f".split())
_SIGNS = frozenset("$€£¥")
_AMOUNTS = (_SMALL.keys() | _SCALES.keys() | _KINDS.keys() | _UNITS_OF_MEASURE.keys()) - _SIGNS
_FALL_WINDOW = 5  # tokens before a number, and behind it, in which such a word stands
LITTLE = 0.05  # of a number, by which one may be off who says "about"
MINUS = "−"  # how the sign of a number is to be given; "-" is a hyphen
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*$")


@dataclass(frozen=True)
class Number:
    """A value with its kind ("%", a currency sign, or ""), as it stands in tokens `position` to `end`.

    `decade` marks "1990s". `step` is the place of the last digit written (10,000 for "1.23 million"), in words that of
    the last word (a million for "two million"); `reach` how far a number that it was rounded from may lie, 0 where
    nothing tells that it was ("about", "million"). `bound` is 1 for "over five", -1 for "under five" or "nearly five",
    else 0. `unit` is a unit of measure in one spelling, or "". `falls` tells that words about it speak of a fall or a
    loss. `other` is the second reading of "324 m", which may be millions or metres.
    """

    value: float
    kind: str
    decade: bool
    step: float
    reach: float
    position: int
    end: int
    text: str
    unit: str = ""
    bound: int = 0
    falls: bool = False
    other: "Number | None" = None

    @property
    def year(self) -> bool:
        """Whether it may be a year: 1812, not 1,812 or 1812 km."""
        return not (self.kind or self.unit) and self.text.isdigit() and 1000 <= self.value < 2200

    def like(self, other: "Number") -> bool:
        """Whether both are of one kind, so that one might be taken for the other."""
        return (self.kind, self.unit, self.year, self.decade) == (other.kind, other.unit, other.year, other.decade)

    def agrees(self, other: "Number") -> bool:
        """Whether a text that gives `other` bears out this number."""
        if self._borne_out(other):
            return True
        # "40 m" is metres beside metres alone: bare, it is no 40.
        if self.other and other.unit == "metre":
            return self.other._borne_out(other)
        return other.other is not None and self.unit == "metre" and self._borne_out(other.other)

    def _borne_out(self, other: "Number") -> bool:
        if self.kind and self.kind != other.kind:
            return False
        if self.decade != other.decade or (self.unit and other.unit and self.unit != other.unit):
            return False
        turned = self.value * other.value < 0 and (self.falls or other.falls)
        less = abs(self.value) - abs(other.value) if turned else self.value - other.value
        exact = 1e-9 * max(1.0, abs(self.value))
        if abs(less) <= exact:
            return True
        if self.bound * less > 0 or other.step >= self.step:
            return False
        return -self.reach + exact < less <= self.reach + exact  # a half is rounded up


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
    read = _written(words, start) if digits else _spelt(words, start)
    if read is None or (words[start] == "one" and read[3] == start + 1):
        return None
    value, step, scale, end = read
    letter = words[end - 1]
    decade = digits and end < len(words) and words[end] in {"s", "'"} and value % 10 == 0
    end += decade
    if digits and end < len(words) and words[end] in {"st", "nd", "rd", "th"}:
        end += 1
    kind, end = _kind(words, start, end)
    unit = "" if kind or decade else _unit(words, end)
    below = _below_zero(words, end)
    signed = bool(below) or _signed(words, start)
    before = [word for word in words[max(0, start - 5) : start] if word not in _SIGNS and word != MINUS][-3:]
    end = below or end
    text = "-" * (signed and not below) + " ".join(words[start:end])
    reach = _reach(value, step, scale, before)
    falls = before[-1:] not in (["to"], ["at"]) and _falls(words, start, end)
    value = -value if signed else value
    found = Number(value, kind, decade, step, reach, start, end, text, unit, _bound(before)[0], falls)
    if letter != "m" or scale == 1 or kind or unit:
        return found
    return replace(found, other=_metres(found, before))


def _metres(millions: Number, before: Sequence[str]) -> Number:
    value, step = millions.value / 1e6, millions.step / 1e6
    return replace(millions, value=value, step=step, reach=_reach(value, step, 1.0, before), unit="metre")


def _reach(value: float, step: float, scale: float, before: Sequence[str]) -> float:
    """How far from the value that lies which was rounded to it.

    Half a step; a whole one behind "over", which is said of 5.9 as well, and where that is little: "about 40" of 39.2.
    """
    about = bool(_ROUNDING.intersection(before))
    if not about and scale < 1e3:
        return 0.0
    return step if _bound(before)[1] or (about and step <= abs(value) * LITTLE) else step / 2


def _written(words: Sequence[str], start: int) -> tuple[float, float, float, int]:
    """A number in digits: value, step, scale and the position after it."""
    value, step = _value(words[start])
    end, scale = _scale(words, start + 1)
    return value * scale, step * scale, scale, end


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
    scale, priced = 1.0, at > 1 and words[at - 2] in _SIGNS
    while at < len(words):
        skip = at + 1 if words[at] == "-" and at + 1 < len(words) and words[at + 1] in _SCALES else at
        if words[skip] not in _SCALES or (words[skip] == "m" and not priced and _dimension(words, skip + 1)):
            break
        scale *= _SCALES[words[skip]]
        at = skip + 1
    return at, scale


def _dimension(words: Sequence[str], at: int) -> bool:
    """Whether "high" or the like stands here, hyphen or not."""
    return bool(_DIMENSIONS.intersection([word for word in words[at : at + 2] if word != "-"][:1]))


def _spelt(words: Sequence[str], start: int) -> tuple[float, float, float, int] | None:
    """A number in words: value, step, scale (which is the step) and the position after it."""
    if words[start] in _ORDINALS:
        return _ORDINALS[words[start]], 1.0, 1.0, start + 1
    total, part, step, at, seen = 0.0, 0.0, 1.0, start, False
    while at < len(words):
        word = words[at]
        if word in _SMALL:
            part, step = part + _SMALL[word], 1.0
        elif seen and word in _SCALES and word not in _LETTER_SCALES:
            part, step = max(part, 1.0) * _SCALES[word], step * _SCALES[word]
            if _SCALES[word] >= 1e3:
                total, part = total + part, 0.0
        elif not (seen and word in {"-", "and"} and at + 1 < len(words) and _continues(words, at)):
            break
        seen, at = True, at + 1
    return (total + part, step, step, at) if seen else None


def _continues(words: Sequence[str], at: int) -> bool:
    """Whether "-" or "and" stands inside a number: "twenty-five", "one hundred and five"."""
    if words[at] == "-":
        return (words[at - 1] in _TENS and words[at + 1] in _SMALL) or words[at + 1] in _SCALES
    return words[at - 1] in {"hundred", "thousand"} and words[at + 1] in _SMALL


def _unit(words: Sequence[str], at: int) -> str:
    """The unit of measure behind a number: "5 km", "5-mile", "20 degrees Celsius"."""
    following = [word for word in words[at : at + 2] if word not in {"-", "degrees", "degree", "square", "cubic"}]
    return _UNITS_OF_MEASURE.get(following[0], "") if following else ""


def _signed(words: Sequence[str], start: int) -> bool:
    """Whether a minus stands before the number; not between two amounts, nor in "plus or minus"."""
    at = start - 1 if start and words[start - 1] in _SIGNS else start
    if not at or words[at - 1] not in {MINUS, "minus"}:
        return False
    before = list(words[max(0, at - 3) : at - 1])
    if before[-1:] == ["plus"] or before == ["plus", "or"]:
        return False
    last = before[0] if len(before) == 2 and before[1] in _SIGNS else (before or [""])[-1]  # of "5€-10€"
    return not (_DIGITS.match(last) or last in _AMOUNTS)


def _below_zero(words: Sequence[str], at: int) -> int:
    """The position behind "below zero" or "degrees Celsius below freezing", 0 when none stands here."""
    while at < len(words) and words[at] in _DEGREES:
        at += 1
    return at + 2 if list(words[at : at + 2]) in (["below", "zero"], ["below", "freezing"]) else 0


def _falls(words: Sequence[str], start: int, end: int) -> bool:
    near = (*words[max(0, start - _FALL_WINDOW) : start], *words[end : end + _FALL_WINDOW])
    return not FALLS.isdisjoint(near)


def _bound(before: Sequence[str]) -> tuple[int, bool]:
    """1 where the words before a number say "over" or "at least", -1 where they say "nearly" or "under".

    And whether they set a bound only, as all but "nearly" do.
    """
    if len(before) > 1 and before[-1] == "than":
        bound = {"more": 1, "greater": 1, "higher": 1, "less": -1, "fewer": -1, "lower": -1}.get(before[-2], 0)
        return bound, bool(bound)
    last = set(before[-2:])
    if last & _AT_LEAST or before[-2:] == ["at", "least"]:
        return 1, True
    return (-1, not last & _NEARLY) if last & (_AT_MOST | _NEARLY) else (0, False)


def _kind(words: Sequence[str], start: int, end: int) -> tuple[str, int]:
    at = start - 1 if start and words[start - 1] == MINUS else start
    if at and words[at - 1] in _SIGNS:
        return words[at - 1], end
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
