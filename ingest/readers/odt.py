"""OpenDocument text (.odt, ISO/IEC 26300) to Markdown, read with lxml directly."""

import re

from lxml import etree

from ingest.document import Document
from ingest.readers.archive import BoundedZip
from ingest.readers.build import ReadError, language_tag, make_document
from ingest.readers.inline import Notes, with_notes
from ingest.readers.markup import join_blocks

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_DROPPED = {"tracked-changes", "annotation", "note-citation", "sequence-decls", "hidden-text", "forms"}


def read_odt(data: bytes, name: str) -> Document:
    """Paragraphs, headings, lists, tables and notes; hidden text and tracked deletions are left out."""
    archive = BoundedZip(data)
    root = archive.xml("content.xml")
    body = root.find(f"{_OFFICE}body/{_OFFICE}text")
    if body is None:
        raise ReadError("damaged: the OpenDocument file has no text part")
    blocks: list[str] = []
    titles: list[str] = []
    notes = _take_notes(body, _hidden_styles(root))
    _walk(body, blocks, titles, _hidden_styles(root), 0)
    meta = _meta(archive)
    return make_document(
        with_notes(join_blocks(blocks), notes),
        name=name,
        title=meta.get("title") or next(iter(titles), None),
        # meta:creator-style fields name who saved it last; initial-creator is who wrote it.
        author=meta.get("initial-creator") or meta.get("creator"),
        language=language_tag(meta.get("language")),
        summary=meta.get("description"),
    )


def _take_notes(body: etree._Element, hidden: set[str]) -> Notes:
    """Leave of each foot- and endnote its mark in the text; returns (mark, note), numbered in one row."""
    notes: Notes = []
    for note in list(body.iter(f"{_TEXT}note")):
        inner: list[str] = []
        held = note.find(f"{_TEXT}note-body")
        if held is not None:
            _walk(held, inner, [], hidden, 0)
        said, mark = " ".join(" ".join(inner).split()), f"[{len(notes) + 1}]"
        note.clear(keep_tail=True)
        if said:
            note.tag, note.text = f"{_TEXT}span", mark
            notes.append((mark, said))
    return notes


def _meta(archive: BoundedZip) -> dict[str, str]:
    if not archive.has("meta.xml"):
        return {}
    try:
        root = archive.xml("meta.xml")
    except ReadError:
        return {}
    return {etree.QName(e).localname: (e.text or "").strip() for e in root.iter() if isinstance(e.tag, str)}


def _hidden_styles(root: etree._Element) -> set[str]:
    found = set()
    for style in root.iter(f"{_STYLE}style"):
        properties = style.find(f"{_STYLE}text-properties")
        if properties is not None and properties.get(f"{_TEXT}display") == "none":
            found.add(style.get(f"{_STYLE}name") or "")
    return found


def _walk(element: etree._Element, blocks: list[str], titles: list[str], hidden: set[str], depth: int) -> None:
    if depth > 100:
        raise ReadError("nested too deeply")
    for child in element:
        tag = etree.QName(child).localname if isinstance(child.tag, str) else ""
        if not tag or tag in _DROPPED or child.get(f"{_TEXT}style-name") in hidden:
            continue
        if tag in ("h", "p"):
            _paragraph(child, blocks, titles, hidden)
        elif tag == "list-item":
            inner: list[str] = []
            _walk(child, inner, titles, hidden, depth + 1)
            blocks.extend(b if b.startswith("- ") else "- " + b.replace("\n", " ") for b in inner)
        elif tag == "table":
            _rows(child, blocks, titles, hidden, depth)
        else:
            _walk(child, blocks, titles, hidden, depth + 1)


def _paragraph(element: etree._Element, blocks: list[str], titles: list[str], hidden: set[str]) -> None:
    text = _inline(element, hidden)
    if not text:
        return
    is_title = element.get(f"{_TEXT}style-name") == "Title"
    if is_title:
        titles.append(text)
    if is_title or element.tag == f"{_TEXT}h":
        stated = element.get(f"{_TEXT}outline-level") or "1"
        level = min(6, int(stated)) if stated.isdigit() and stated != "0" else 1
        text = "#" * level + " " + text.replace("\n", " ")
    blocks.append(text)


def _rows(table: etree._Element, blocks: list[str], titles: list[str], hidden: set[str], depth: int) -> None:
    rows = []
    for row in table.iter(f"{_TABLE}table-row"):
        cells = []
        for cell in row:
            inner: list[str] = []
            _walk(cell, inner, titles, hidden, depth + 1)
            cells.append(" ".join(inner).replace("\n", " ").replace("|", "/"))
        if any(cells):
            rows.append(cells)
    if max((len(r) for r in rows), default=0) < 2:
        blocks.extend(cell for row in rows for cell in row if cell)
        return
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * max(len(r) for r in rows))
    blocks.append("\n".join(lines))


def _inline(element: etree._Element, hidden: set[str], depth: int = 0) -> str:
    out = [element.text or ""]
    for child in element:
        tag = etree.QName(child).localname if isinstance(child.tag, str) else ""
        if tag == "s":
            out.append(" ")
        elif tag == "tab":
            out.append("\t")
        elif tag == "line-break":
            out.append("\n")
        elif tag and tag not in _DROPPED and depth < 60 and child.get(f"{_TEXT}style-name") not in hidden:
            out.append(_inline(child, hidden, depth + 1))
        out.append(child.tail or "")
    text = re.sub(r" *\n *", "\n", re.sub(r"[ \t\xa0]+", " ", "".join(out)))
    return text if depth else text.strip()
