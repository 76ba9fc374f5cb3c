"""Text -> text without characters that a reader cannot see.

Hidden characters carry instructions past people and break search (OWASP LLM01, 2026). It is
done once, before a text becomes a document, so that offsets are true of what is stored.
"""

import re

# Gone wherever they stand: C0 and C1 controls, soft hyphen, zero width space, word joiner and
# kin, bidi controls, fillers, interlinear marks, tags, non-characters, lone surrogates, BOM.
_REMOVED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb"
    "\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff"
    "\U000e01f0-\U000e0fff\ud800-\udfff]"
)
_LINE_END = re.compile("\r\n?|\x85|\u2028")
_PARAGRAPH_END = re.compile("[\x0b\x0c\u2029]")

# Joiners between letters of scripts that are written with them (Arabic, Indic, Khmer, ...).
_LETTER = "[\u0600-\u08ff\u0900-\u0dff\u0e00-\u109f\u1780-\u18af\u1a20-\u1aaf\ua8e0-\uabff]"
_PICTURE = "[\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff]"
_SKIN_OR_STYLE = "[\ufe0f\U0001f3fb-\U0001f3ff]"
_CONDITIONAL = re.compile("[\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180d\u180f]")
_JOINS_BEFORE = re.compile(_LETTER)
_PICTURE_BEFORE = re.compile(f"{_PICTURE}|{_SKIN_OR_STYLE}")
_PICTURE_AFTER = re.compile(_PICTURE)
_STYLED = re.compile(f"{_PICTURE}|[0-9#*]")
_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_MONGOLIAN = re.compile("[\u1820-\u18aa]")


def clean_text(text: str) -> str:
    """`text` with \\n line ends and without invisible characters; cleaning twice changes nothing.

    Joiners and variation selectors stay where a script or an emoji needs them, one at a time.
    """
    text = _PARAGRAPH_END.sub("\n\n", _LINE_END.sub("\n", text))
    text = _REMOVED.sub("", text)
    if not _CONDITIONAL.search(text):
        return text
    kept, last, before = [], 0, ""  # `before` is the last character kept
    for match in _CONDITIONAL.finditer(text):
        at, char = match.start(), match[0]
        kept.append(text[last:at])
        before = text[at - 1] if at > last else before
        last = at + 1
        if _needed(before, char, text[last : last + 1]):
            kept.append(char)
            before = char
    return "".join([*kept, text[last:]])


def _needed(before: str, char: str, after: str) -> bool:
    if char in "\u200c\u200d":
        if _JOINS_BEFORE.match(before):
            return char == "\u200d" or bool(_JOINS_BEFORE.match(after))
        return char == "\u200d" and bool(_PICTURE_BEFORE.match(before) and _PICTURE_AFTER.match(after))
    if char in "\ufe0e\ufe0f":
        return bool(_STYLED.match(before))
    if char >= "\U000e0100" or "\ufe00" <= char <= "\ufe02":
        return bool(_IDEOGRAPH.match(before))
    return "\u180b" <= char <= "\u180f" and bool(_MONGOLIAN.match(before))


def visible(name: str) -> str:
    """A file name as one clean line: what a reader cannot see, or no encoding can hold, as Python's escapes."""
    if clean_line(name) == name:
        return name
    return re.sub("(?<= ) |^ | $", r"\\x20", name.encode("unicode_escape").decode("ascii"))


def clean_line(text: str) -> str:
    """One line of metadata: cleaned, white space runs as one space, none at the ends."""
    return " ".join(clean_text(text).split())
