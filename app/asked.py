"""What kind of answer a question asks for, and whether a few words can be it.

Knows nothing of evidence or verdicts.
"""

import re

from app.claims import Reading

# Each part of "Who founded it, and when?" has an answer of its own.
_ASKS = re.compile(
    r"(?:^|[;?.!]|\b(?:and|or|but))\W*(?:(?:and|or|but|in|for|by|at|to|since|until|from|of|with) )*"
    r"(?:who|whom|whose|what|which|when|where|why|how)\b",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"^\W*(?:in |for |by |at |to )?how (?:many|much|old|long|far|tall|high|large|big|often)\b", re.IGNORECASE
)
_TIME = re.compile(
    r"^\W*(?:(?:since|until|by|from) )?when\b|\bwhat (?:year|date|day|month|decade|century)\b", re.IGNORECASE
)
_NO_NUMBER = re.compile(r"^\W*(?:who|whom|whose|why)\b", re.IGNORECASE)
_AMOUNTS = frozenset(
    """
a an one once twice half quarter third several many few some none no all most any dozens hundreds thousands millions
billions majority minority much little daily weekly monthly yearly annually always never often rarely little long until
indefinitely forever up as large small
""".split()
)
_TIMES = frozenset(
    """
january february march april may june july august september october november december monday tuesday wednesday thursday
friday saturday sunday spring summer autumn fall winter today yesterday tomorrow morning noon afternoon evening night
midnight century centuries decade decades year years month months week weeks day days hour hours ago now then later
earlier soon never always before after during since while until once early late recently last next eve war
age era period
""".split()
)


def unanswering(question: str, fragment: Reading) -> str:
    """Why the fragment cannot be the answer: what is missing from it; "" when it may be, or answer one part of many."""
    if fragment.words & {"yes", "no"} or len(_ASKS.findall(question)) > 1:
        return ""
    if _COUNT.search(question) and not fragment.numbers and not fragment.words & (_AMOUNTS | _TIMES):
        return "it gives no number, which the question asks for"
    if _TIME.search(question) and not fragment.numbers and not fragment.words & _TIMES:
        return "it gives no time, which the question asks for"
    if _NO_NUMBER.search(question) and fragment.numbers and not fragment.stems:
        return "it gives a number, which the question does not ask for"
    return ""
