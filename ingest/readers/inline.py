"""What a page only draws right, written as plain text in its tree: formulas, powers, notes, ruby, edit links.

Done before anything chooses or renders the article, so that no number changes ("10<sup>3</sup>" is not
103) and no note's mark is glued to a word.
"""

import re
from collections.abc import Iterator

from lxml import etree

from ingest.readers.markup import remove

_PLAIN = "plain-text"  # the tag of what was rewritten, until it is dissolved into the text around it
_RAISED = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
_POWER = re.compile(r"[+\-−]?\d{1,3}[+\-−]?|[+\-−]|[ni](?:[+\-−]\d)?")
_SEVERAL = re.compile(r"\d{1,3}(?: ?[,;–-] ?\d{1,3}){1,8}")
_LABEL = re.compile(r"\[?\(?(\d{1,4}|[a-z]|[ivx]{1,5}|[*†‡§]{1,3}|(?:note|nb|n) \d{1,3})\)?\]?", re.IGNORECASE)
_NOTE_KIND = re.compile(r"foot-?note|note-?ref|fn-?ref|end-?note|sdfootnote", re.IGNORECASE)
_BACK = re.compile(r"(?:[↩↑^⤴⏎↵]\ufe0e?|jump up|back to (?:text|content|reference)|return to text)", re.IGNORECASE)
_EDIT = re.compile(r"[¶#§🔗⚓\[\]| ]*(?:edit(?: source)?|bearbeiten|modifier|editar|編集)?[¶#§\[\]| ]*")
_PROSE_IN_TEX = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}(?: +[A-Za-z]{2,}){3}")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6", "dt")
_TEXT_BLOCKS = ("p", "li", "dd", "td", "blockquote")
_NOTE_PLACES = ("li", "p", "aside", "dd", "tr", "div", "section")
_MAX_NOTE = 2000
_MAX_TEX = 1000
Notes = list[tuple[str, str]]


def plain_inline(tree: etree._Element) -> Notes:
    """Rewrite the tree in place and take out of it the footnotes that its text refers to.

    Returns (mark, text) of each note, the mark as the text now has it: "[1]". To be called before
    `drop_hidden`, for pages hide the formulas that they draw.
    """
    _formulas(tree)
    for element in tree.iter("rt", "rp", "rtc"):
        _rewrite(element, "")
    for element in tree.iter("wbr"):
        element.tag = _PLAIN  # not emptied: the parser takes what follows for its content
    for block in tree.iter(*_TEXT_BLOCKS):
        if block.find(".//time") is not None and _reads_as_sentence(block):
            for element in block.iter("time"):
                element.tag = _PLAIN
    _heading_links(tree)
    notes = _take_notes(tree)
    _raised(tree)
    etree.strip_tags(tree, _PLAIN)
    return notes


def with_notes(text: str, notes: Notes) -> str:
    """Markdown with those notes at its end that it refers to."""
    return "\n\n".join([text, *(f"{mark} {note}" for mark, note in notes if mark in text)])


def in_a_sentence(time: etree._Element) -> bool:
    """Whether a date is part of running text; what stands alone or in a short line is the page's, not the article's."""
    block = next(time.iterancestors(*_TEXT_BLOCKS), None)
    return block is not None and _reads_as_sentence(block)


def _reads_as_sentence(block: etree._Element) -> bool:
    text = _text(block, 1000)
    return len(text) >= 60 or text.endswith((".", "!", "?", "。"))


def _rewrite(element: etree._Element, text: str) -> None:
    """Let the element hold nothing but `text`. Taking it out at once would copy all that follows it."""
    element.clear(keep_tail=True)
    element.tag, element.text = _PLAIN, text


def _text(element: etree._Element, limit: int = 60) -> str:
    """The element's text, or a little more than the first `limit` characters of it."""
    parts, length = [], 0
    for part in element.itertext():
        parts.append(part)
        length += len(part)
        if length > limit:
            break
    return "".join(parts).strip()


def _take_notes(tree: etree._Element) -> Notes:
    by_id = {e.get("name"): e for e in tree.iter("a") if e.get("name")}
    by_id |= {e.get("id"): e for e in tree.iter(etree.Element) if e.get("id")}
    references = list(_references(tree))
    places: dict[etree._Element, str] = {}
    known: dict[etree._Element, etree._Element | None] = {}
    for link, label in references:
        target = by_id.get((link.get("href") or "").partition("#")[2])
        place = None if target is None else _note_place(target, known)
        if place is not None and not any(a is place for a in link.iterancestors()):
            places.setdefault(place, f"[{label}]")
    for link in list(tree.iter("a")):
        if _BACK.fullmatch(_text(link)):
            _rewrite(link, "")
    for link, label in references:
        _rewrite(_whole_mark(link), f"[{label}]")
    notes = [(mark, _note_text(place, mark)) for place, mark in places.items()]
    for place in places:
        remove(place)
    return [(mark, text) for mark, text in notes if text]


def _references(tree: etree._Element) -> Iterator[tuple[etree._Element, str]]:
    """The links that are a note's mark in the text, with the label that they show."""
    for link in tree.iter("a"):
        href = link.get("href") or ""
        label = _LABEL.fullmatch(_text(link)) if "#" in href and "#cite_ref" not in href else None
        if not label:
            continue
        raised = link.find(".//sup") is not None or any(a.tag == "sup" for a in link.iterancestors("sup", "p", "li"))
        # epub:type, role="doc-noteref", class="footnote-anchor"
        kind = " ".join(v for k, v in link.attrib.items() if k != "href")
        if raised or (_NOTE_KIND.search(kind) and _follows_words(link)):
            yield link, label[1]


def _follows_words(link: etree._Element) -> bool:
    """Whether words stand before the link in its block: before the number that heads a note there are none."""
    before, parent = link.getprevious(), link.getparent()
    return before is not None or (parent is not None and bool((parent.text or "").strip()))


def _whole_mark(link: etree._Element) -> etree._Element:
    """The link with the brackets and the `sup` around it."""
    parent = link.getparent()
    while parent is not None and parent.tag in ("sup", "span") and _LABEL.fullmatch(_text(parent)):
        link, parent = parent, parent.getparent()
    return link


def _note_place(target: etree._Element, known: dict[etree._Element, etree._Element | None]) -> etree._Element | None:
    """The element that holds the whole of one note; None if what holds it is too long for a note.

    `known` remembers the answer for each element asked, as many targets may lie in one.
    """
    for element in (target, *target.iterancestors(*_NOTE_PLACES)):
        if element in known:
            return known[element]
        text = _text(element, _MAX_NOTE) if element.tag in _NOTE_PLACES else ""
        if sum(c.isalpha() for c in text) >= 3:
            known[element] = element if len(text) <= _MAX_NOTE else None
            return known[element]
    return None


def _note_text(place: etree._Element, mark: str) -> str:
    for back in place.xpath(".//*[contains(@class, 'cite-backlink')]"):
        _rewrite(back, "")
    text = " ".join(" ".join(place.itertext()).split()) if len(place) else (place.text or "").strip()
    text = re.sub(r" (?=[,.;:)\]])", "", text).strip(" ↩↑^⤴\ufe0e")
    return re.sub(r"^[\[(]?" + re.escape(mark[1:-1]) + r"[\])]?[.:]? ", "", text)


def _raised(tree: etree._Element) -> None:
    """Powers as the characters that Unicode has for them; ordinals ("1st") stay as they are."""
    for element in tree.iter("sup"):
        text = _text(element)
        if raised(text) != text:
            _rewrite(element, raised(text))


def raised(text: str) -> str:
    """Superscript text as plain text shows it: "3" as ³, the marks of several notes in brackets, else as it is."""
    if _POWER.fullmatch(text):
        return text.translate(_RAISED)
    return f"[{text}]" if _SEVERAL.fullmatch(text) else text


def _heading_links(tree: etree._Element) -> None:
    """Headings without the signs that link to themselves or to an editor."""
    for element in tree.iter("span"):
        if "mw-editsection" in (element.get("class") or "").split():
            _rewrite(element, "")
    for heading in tree.iter(*_HEADINGS):
        for link in list(heading.iter("a")):
            if _EDIT.fullmatch(_text(link)):
                _rewrite(link, "")


def _formulas(tree: etree._Element) -> None:
    """Each formula once: as TeX between dollars where the page gives it."""
    for script in tree.iter("script"):
        if (script.get("type") or "").startswith("math/tex"):
            _rewrite(script, _tex(script.text) or "")
    for box in [e for e in tree.iter("span", "div", "mjx-container") if _is_formula(e)]:
        math = next(box.iter("math"), None)
        if math is not None:
            _rewrite(box, _tex(_stated_tex(math)) or _linear(math))
        elif "MathJax" in " ".join(box.classes):
            _rewrite(box, "")  # the script beside it has said it
    for math in list(tree.iter("math")):
        _rewrite(math, _tex(_stated_tex(math)) or _linear(math))


def _is_formula(element: etree._Element) -> bool:
    kinds = (element.get("class") or "").split()
    return element.tag == "mjx-container" or any(
        kind in kinds for kind in ("katex", "mwe-math-element", "MathJax", "MathJax_Preview", "MathJax_Display")
    )


def _stated_tex(math: etree._Element) -> str | None:
    noted: str | None = next((a.text for a in math.iter("annotation") if "tex" in (a.get("encoding") or "")), None)
    return noted or math.get("alttext")


def _tex(source: str | None) -> str | None:
    """TeX between dollars; None for what is none: nobody sees this text, so it may not hold prose."""
    text = " ".join((source or "").split())
    styled = re.match(r"\{?\\(?:display|text)style\b *", text)
    if styled:
        text = text[styled.end() :].removesuffix("}" if text[0] == "{" else "").strip()
    return f"${text}$" if text and len(text) <= _MAX_TEX and not _PROSE_IN_TEX.search(text) else None


def _linear(math: etree._Element, depth: int = 0) -> str:
    """MathML on one line: a^b, a_b, (a)/(b)."""
    tag = math.tag if isinstance(math.tag, str) else ""
    if depth > 40 or tag in ("annotation", "annotation-xml", ""):
        return ""
    parts = [_linear(child, depth + 1) for child in math]
    if len(parts) == 2 and tag in ("msup", "msub"):
        return f"{parts[0]}{'^' if tag == 'msup' else '_'}{parts[1]}"
    if len(parts) == 2 and tag == "mfrac":
        return f"({parts[0]})/({parts[1]})"
    return " ".join((math.text or "").split()) + "".join(parts)
