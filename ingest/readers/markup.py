"""HTML-like trees (lxml) to Markdown: headings, paragraphs, lists, quotes, tables, code.

Emphasis and links are dropped on purpose: a citation is a run of the stored text, and
`**` or a URL inside it would be read by nobody. Knows both HTML's tag names and those
of trafilatura's result tree (head, list, item, row, cell, lb).
"""

import re

from lxml import etree

_HEADINGS = {f"h{n}": n for n in range(1, 7)}
_SKIP = {"script", "style", "noscript", "template", "nav", "iframe", "object", "svg", "form", "button",
         "select", "textarea", "input", "canvas", "audio", "video", "title", "meta", "link",
         "graphic"}  # fmt: skip
_BLOCKS = {"p", "div", "section", "article", "main", "body", "header", "footer", "aside", "figure",
           "figcaption", "address", "center", "dl", "dt", "dd", "fieldset", "details", "summary", "tr", "td",
           "th", "head", "item", "li", "blockquote", "quote", "pre", "list", "ul", "ol", "table", "hr",
           *_HEADINGS}  # fmt: skip
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])",
    re.IGNORECASE,
)
_ITEM = re.compile(r" *(?:- |\d+\. )")
_NEVER_DROPPED = {"html", "body", "main", "article"}
MAX_DEPTH = 150


def drop_hidden(tree: etree._Element) -> None:
    """Remove what a reader of the page does not see, in place: comments and elements hidden by attribute.

    The page's own trunk (body, main, article) is kept: sites hide it until a script runs.
    """
    for element in tree.xpath(".//*[@style or @hidden]"):
        hidden = element.get("hidden") is not None or _HIDDEN_STYLE.search(element.get("style") or "")
        if hidden and element.tag not in _NEVER_DROPPED:
            remove(element)
    for comment in tree.xpath("//comment()|//processing-instruction()"):
        remove(comment)


def remove(element: etree._Element) -> None:
    """Take an element out of its tree and leave its tail where it was."""
    parent = element.getparent()
    if parent is None:
        return
    if element.tail:
        before = element.getprevious()
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
    parent.remove(element)


def markdown(tree: etree._Element) -> str:
    """The tree's text as Markdown blocks with a blank line between."""
    blocks: list[str] = []
    _walk(tree, blocks, "", 0)
    return join_blocks(blocks)


def _tag(element: etree._Element) -> str:
    # Not etree.QName: broken pages have tags such as "a<b", which it refuses.
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def _heading_level(element: etree._Element, tag: str) -> int:
    if tag == "head":
        return _HEADINGS.get(element.get("rend") or "", 2)
    return _HEADINGS.get(tag, 0)


def _inline(element: etree._Element, depth: int = 0) -> str:
    """All text under an element, one line but for explicit line breaks."""
    tag = _tag(element)
    if not tag or tag in _SKIP:
        return ""
    if tag in ("br", "lb"):
        return "\n"
    if depth > MAX_DEPTH:
        return " ".join(element.itertext())
    parts = [re.sub(r"\s+", " ", element.text or "")]
    for child in element:
        gap = " " if _tag(child) in _BLOCKS else ""
        parts += [gap, _inline(child, depth + 1), gap, re.sub(r"\s+", " ", child.tail or "")]
    return _spaces("".join(parts))


def _spaces(text: str) -> str:
    return re.sub(r" *\n *", "\n", re.sub(r"[ \t\r\f\v\xa0]+", " ", text))


def _emit(blocks: list[str], text: str, prefix: str = "") -> None:
    # Two line breaks part paragraphs: so they are used.
    blocks.extend(prefix + paragraph for paragraph in re.split(r"\n{2,}", _spaces(text).strip()) if paragraph)


def _walk(element: etree._Element, blocks: list[str], indent: str, depth: int) -> None:
    tag = _tag(element)
    if not tag or tag in _SKIP or element.get("aria-hidden") == "true":
        return
    if depth > MAX_DEPTH:
        _emit(blocks, " ".join(element.itertext()))
        return
    level = _heading_level(element, tag)
    if level:
        _emit(blocks, _inline(element).replace("\n", " ").rstrip(" ¶#"), "#" * level + " ")
    elif tag in ("pre", "code") and "\n" in "".join(element.itertext()).strip():
        fenced = "".join(_raw(element)).strip("\n")
        blocks.append("```\n" + fenced.replace("```", "'''") + "\n```")
    elif tag in ("blockquote", "quote"):
        inner: list[str] = []
        _children(element, inner, "", depth)
        blocks.extend("> " + b.replace("\n", "\n> ") for b in inner)
    elif tag in ("ul", "ol", "list"):
        _list(element, blocks, indent, depth)
    elif tag == "table":
        _table(element, blocks, depth)
    else:
        _children(element, blocks, indent, depth)


def _raw(element: etree._Element) -> list[str]:
    parts = [element.text or ""]
    for child in element.iterdescendants():
        parts.append("\n" if _tag(child) in ("br", "lb") else (child.text or "") if _tag(child) else "")
        parts.append(child.tail or "")
    return parts


def _children(element: etree._Element, blocks: list[str], indent: str, depth: int) -> None:
    """Runs of inline content become paragraphs; block children are walked."""
    run = [re.sub(r"\s+", " ", element.text or "")]
    for child in element:
        tag = _tag(child)
        if tag in _BLOCKS or (tag and _holds_block(child)):
            _emit(blocks, "".join(run))
            run = []
            _walk(child, blocks, indent, depth + 1)
        else:
            run.append(_inline(child, depth + 1))
        run.append(re.sub(r"\s+", " ", child.tail or ""))
    _emit(blocks, "".join(run))


def _holds_block(element: etree._Element) -> bool:
    return any(_tag(e) in _BLOCKS for e in element.iterdescendants())


def _list(element: etree._Element, blocks: list[str], indent: str, depth: int) -> None:
    number = 0
    ordered = _tag(element) == "ol" or element.get("rend") == "ol"
    for item in element:
        if not _tag(item):
            continue
        number += 1
        inner: list[str] = []
        if _tag(item) in ("ul", "ol", "list"):
            _list(item, inner, indent + "  ", depth + 1)
            blocks.extend(inner)
            continue
        _children(item, inner, indent + "  ", depth + 1)
        mark = f"{indent}{number}. " if ordered else f"{indent}- "
        for n, block in enumerate(inner):
            nested = bool(_ITEM.match(block)) and block.startswith(indent + "  ")
            blocks.append(block if nested else (mark if n == 0 else indent + "  ") + block.replace("\n", " "))


def _table(element: etree._Element, blocks: list[str], depth: int) -> None:
    """A table of one column is layout and is walked; others become Markdown rows."""
    rows = [r for r in element.iter() if _tag(r) in ("tr", "row") and _owner(r) is element]
    cells = [[c for c in row if _tag(c) in ("td", "th", "cell")] for row in rows]
    if max((len(r) for r in cells), default=0) < 2 or any(_holds_table(c) for r in cells for c in r):
        for row in cells:
            for cell in row:
                _children(cell, blocks, "", depth + 1)
        return
    lines = [
        "| " + " | ".join(_inline(c).replace("\n", " ").replace("|", "/").strip() for c in r) + " |" for r in cells
    ]
    lines = [line for line in lines if line.strip("| ")]
    if lines:
        width = max(len(r) for r in cells)
        blocks.append("\n".join([lines[0], "|" + " --- |" * width, *lines[1:]]))


def _owner(row: etree._Element) -> etree._Element | None:
    return next((a for a in row.iterancestors() if _tag(a) == "table"), None)


def _holds_table(cell: etree._Element) -> bool:
    return any(_tag(e) == "table" for e in cell.iterdescendants())


def join_blocks(blocks: list[str]) -> str:
    """Join Markdown blocks: a blank line between them, a line end between the items of a list."""
    out: list[str] = []
    for block in blocks:
        if out:
            out.append("\n" if _ITEM.match(block) and _ITEM.match(out[-1]) else "\n\n")
        out.append(block)
    return "".join(out)
