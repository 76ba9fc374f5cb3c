"""Word documents (.docx, ECMA-376 WordprocessingML) to Markdown, read with lxml directly.

mammoth and python-docx were weighed: neither drops hidden text, both need their own
guard against entities and bombs, and what is wanted of the format fits on this page.
"""

import posixpath
import re

from lxml import etree

from ingest.document import Document
from ingest.readers.archive import BoundedZip
from ingest.readers.build import ReadError, language_tag, make_document
from ingest.readers.inline import Notes, raised, with_notes
from ingest.readers.markup import join_blocks

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
_DROPPED = {"del", "moveFrom", "Fallback", "instrText", "annotationRef", "pPrChange"}


def read_docx(data: bytes, name: str) -> Document:
    """Paragraphs, headings, lists, tables and notes; deleted and hidden text is left out."""
    archive = BoundedZip(data)
    main = next((n for n in _main_parts(archive) if archive.has(n)), None)
    if main is None:
        raise ReadError("damaged: the Word document has no text part")
    root = _xml(archive, main)
    styles = _styles(archive)
    body = root.find(f"{_W}body")
    body = body if body is not None else root
    notes = _notes(archive, body, posixpath.dirname(main))
    _raise(body)
    blocks = _blocks(body, styles)
    title = next((text for kind, text in blocks if kind == "title"), None)
    core = _core(archive)
    return make_document(
        with_notes(join_blocks([_as_markdown(kind, text) for kind, text in blocks]), notes),
        name=name,
        title=core.get("title") or title,
        author=core.get("creator"),
        language=language_tag(core.get("language")),
        summary=core.get("description"),
    )


def _xml(archive: BoundedZip, name: str) -> etree._Element:
    root = archive.xml(name)
    if _STRICT not in root.nsmap.values():
        return root
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag.startswith(f"{{{_STRICT}}}"):
            element.tag = _W + etree.QName(element).localname
            for key, value in list(element.attrib.items()):
                if key.startswith(f"{{{_STRICT}}}"):
                    element.set(_W + etree.QName(key).localname, value)
    return root


def _main_parts(archive: BoundedZip) -> list[str]:
    """Where the package says its text is, then where it always is."""
    targets = []
    if archive.has("_rels/.rels"):
        relations = [r for r in archive.xml("_rels/.rels") if isinstance(r.tag, str)]
        main = [r for r in relations if (r.get("Type") or "").endswith("/officeDocument")]
        targets = [(r.get("Target") or "").lstrip("/") for r in main]
    return [*targets, "word/document.xml"]


def _notes(archive: BoundedZip, body: etree._Element, folder: str) -> Notes:
    """Write the mark of each foot- and endnote into the text, numbered in one row; returns (mark, note)."""
    notes: Notes = []
    for reference in list(body.iter(f"{_W}footnoteReference", f"{_W}endnoteReference")):
        kind = etree.QName(reference).localname.removesuffix("Reference")
        notes.append((kind, reference.get(f"{_W}id") or ""))
        reference.tag, reference.text = f"{_W}t", f"[{len(notes)}]"
    texts: dict[tuple[str, str], str] = {}
    for kind in {kind for kind, _ in notes}:
        part = f"{folder}/{kind}s.xml".lstrip("/")
        root = _xml(archive, part) if archive.has(part) else None
        for note in root.iter(f"{_W}{kind}") if root is not None else ():
            said = " ".join(text for _, text in _blocks(note, {}))
            texts[kind, note.get(f"{_W}id") or ""] = " ".join(said.split())
    return [(f"[{number}]", texts[key]) for number, key in enumerate(notes, 1) if texts.get(key)]


def _raise(body: etree._Element) -> None:
    """Powers as the characters that Unicode has for them: 10³ is not 103."""
    for run in body.iter(f"{_W}r"):
        text = run.find(f"{_W}t")
        if text is not None and text.text and _value(run.find(f"{_W}rPr/{_W}vertAlign")) == "superscript":
            text.text = raised(text.text)


def _core(archive: BoundedZip) -> dict[str, str]:
    """Dublin Core fields. Dates are left: they say when the file was made, not when it was published."""
    if not archive.has("docProps/core.xml"):
        return {}
    try:
        root = archive.xml("docProps/core.xml")
    except ReadError:
        return {}
    return {etree.QName(e).localname: (e.text or "").strip() for e in root if isinstance(e.tag, str)}


def _styles(archive: BoundedZip) -> dict[str, str]:
    """Style id -> "title", "h1".."h6" or "", by name or outline level, inherited along basedOn."""
    if not archive.has("word/styles.xml"):
        return {}
    try:
        root = _xml(archive, "word/styles.xml")
    except ReadError:
        return {}
    own: dict[str, str] = {}
    parents: dict[str, str | None] = {}
    for style in root.iter(f"{_W}style"):
        key = style.get(f"{_W}styleId") or ""
        kind = _style_kind(style)
        if kind:
            own[key] = kind
        parents[key] = _value(style.find(f"{_W}basedOn"))
    for key in parents:
        at: str | None = key
        for _ in range(10):
            if at is None or at in own:
                break
            at = parents.get(at)
        if at in own:
            own.setdefault(key, own[at])
    return own


def _style_kind(style: etree._Element) -> str:
    called = (_value(style.find(f"{_W}name")) or "").lower()
    level = re.fullmatch(r"heading ([1-6])", called)
    outline = _value(style.find(f"{_W}pPr/{_W}outlineLvl"))
    if called == "title":
        return "title"
    if level:
        return f"h{level[1]}"
    return f"h{int(outline) + 1}" if outline and outline.isdigit() and int(outline) < 6 else ""


def _value(element: etree._Element | None) -> str | None:
    return None if element is None else element.get(f"{_W}val")


def _blocks(body: etree._Element, styles: dict[str, str]) -> list[tuple[str, str]]:
    blocks: list[tuple[str, str]] = []
    for element in body:
        tag = etree.QName(element).localname if isinstance(element.tag, str) else ""
        if tag == "p":
            kind, text = _paragraph(element, styles)
            if text:
                blocks.append((kind, text))
        elif tag == "tbl":
            blocks.extend(_table(element, styles))
        elif tag in ("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag"):
            blocks.extend(_blocks(element, styles))
    return blocks


def _paragraph(element: etree._Element, styles: dict[str, str]) -> tuple[str, str]:
    style = _value(element.find(f"{_W}pPr/{_W}pStyle")) or ""
    kind = styles.get(style) or _default_kind(style)
    if kind == "" and element.find(f"{_W}pPr/{_W}numPr") is not None:
        kind = "item"
    return kind, re.sub(r" *\n *", "\n", re.sub(r"[ \t\xa0]+", " ", "".join(_runs(element)))).strip()


def _default_kind(style: str) -> str:
    level = re.fullmatch(r"(?i)heading ?([1-6])", style)
    return f"h{level[1]}" if level else "title" if style.lower() == "title" else ""


def _runs(element: etree._Element, depth: int = 0) -> list[str]:
    """The visible text under a paragraph, in order."""
    out: list[str] = []
    for child in element:
        tag = etree.QName(child).localname if isinstance(child.tag, str) else ""
        if tag in _DROPPED or depth > 60 or (tag == "r" and _hidden(child)):
            continue
        if tag == "t":
            out.append(child.text or "")
        elif tag in ("tab", "ptab"):
            out.append("\t")
        elif tag in ("br", "cr", "p"):
            out.append("\n")
        elif tag == "noBreakHyphen":
            out.append("\u2011")
        if len(child):
            out.extend(_runs(child, depth + 1))
    return out


def _hidden(run: etree._Element) -> bool:
    """Hidden by attribute, or too small to be seen (below 2 points; w:sz counts half points)."""
    properties = run.find(f"{_W}rPr")
    if properties is None:
        return False
    vanish = properties.find(f"{_W}vanish")
    if vanish is not None and _value(vanish) not in ("0", "false", "off"):
        return True
    size = _value(properties.find(f"{_W}sz"))
    return bool(size and size.isdigit() and int(size) < 4)


def _table(table: etree._Element, styles: dict[str, str]) -> list[tuple[str, str]]:
    """Rows as Markdown; a table of one column, or with a table inside, is layout."""
    rows = [[c for c in row if c.tag == f"{_W}tc"] for row in table.iter(f"{_W}tr") if row.getparent() is table]
    nested = any(c.find(f".//{_W}tbl") is not None for r in rows for c in r)
    if nested or max((len(r) for r in rows), default=0) < 2:
        return [b for r in rows for c in r for b in _blocks(c, styles)]
    lines = []
    for row in rows:
        cells = [" ".join(text for _, text in _blocks(c, styles)).replace("\n", " ").replace("|", "/") for c in row]
        if any(cells):
            lines.append("| " + " | ".join(cells) + " |")
    if not lines:
        return []
    lines.insert(1, "|" + " --- |" * max(len(r) for r in rows))
    return [("table", "\n".join(lines))]


def _as_markdown(kind: str, text: str) -> str:
    level = 1 if kind == "title" else int(kind[1]) if re.fullmatch(r"h[1-6]", kind) else 0
    if level:
        return "#" * level + " " + text.replace("\n", " ")
    return "- " + text.replace("\n", " ") if kind == "item" else text
