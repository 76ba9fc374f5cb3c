"""Preformatted text of a page: code, to the character, past what chooses the article and joins white space.

`protect` writes each `pre` as one paragraph whose line ends and spaces are private characters, `restore`
makes a fenced block of it.
"""

import re

from lxml import etree

_OPEN, _CLOSE, _LINE, _SPACE = "\ue0f0", "\ue0f1", "\ue0f2", "\ue0f3"
_PRIVATE = re.compile("[\ue0f0-\ue0f3]")
_PROTECTED = re.compile(f"\\s*(?:> *)?{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}\\s*")
_CODE_KIND = re.compile(r"highlight|code|hljs|prettyprint|language-|brush|prism|terminal|console", re.IGNORECASE)
_CODE_SIGN = re.compile(r"[{}<>;=$\\]|\w\(|^\s*(?:#|//|>>>)|--\w", re.MULTILINE)
_GUTTER = re.compile(r"[\d\s]*")


def protect(tree: etree._Element) -> None:
    """Rewrite every `pre` of the tree in place: code as one protected paragraph, prose as paragraphs."""
    for element in tree.iter(etree.Element):
        for text in (element.text, element.tail):
            if text and _PRIVATE.search(text):  # nobody but us may write these
                element.text = _PRIVATE.sub("", element.text or "")
                element.tail = _PRIVATE.sub("", element.tail or "")
    for element in list(tree.iter("pre")):
        text = _raw(element).expandtabs(4).strip("\n")
        code = _is_code(element, text)
        element.clear(keep_tail=True)
        element.tag = "p"
        if _GUTTER.fullmatch(text):  # empty, or a column of line numbers
            continue
        if code:
            lines = (line.rstrip() for line in text.split("\n"))
            element.text = _OPEN + _LINE.join(lines).replace(" ", _SPACE) + _CLOSE
        else:
            _paragraphs(element, text)


def restore(text: str) -> str:
    """Markdown with the protected blocks as fenced ones."""

    def fenced(match: re.Match[str]) -> str:
        code = match[1].replace(_LINE, "\n").replace(_SPACE, " ").replace("```", "'''")
        return f"\n\n```\n{code}\n```\n\n" if "\n" in code else f"\n\n`{code}`\n\n"

    return _PROTECTED.sub(fenced, text).strip()


def _raw(element: etree._Element) -> str:
    parts = [element.text or ""]
    for child in element.iterdescendants():
        tag = child.tag if isinstance(child.tag, str) else ""
        parts += ["\n" if tag == "br" else (child.text or "") if tag else "", child.tail or ""]
    return "".join(parts)


def _is_code(element: etree._Element, text: str) -> bool:
    """Whether this is code, not a letter or a poem that somebody has set in a fixed width."""
    around = [element, *list(element.iterancestors())[:2]]
    if element.find(".//code") is not None or any(_CODE_KIND.search(e.get("class") or "") for e in around):
        return True
    lines = [line for line in text.split("\n") if line.strip()]
    worded = sum(len(line.split()) >= 5 and not _CODE_SIGN.search(line) for line in lines)
    return worded < 0.5 * len(lines)


def _paragraphs(element: etree._Element, text: str) -> None:
    """The element as a `div` of paragraphs, which blank lines part."""
    element.tag = "div"
    for part in re.split(r"\n[ ]*\n", text):
        if part.strip():
            etree.SubElement(element, "p").text = " ".join(part.split())
