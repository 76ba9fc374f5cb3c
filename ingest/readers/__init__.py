"""Bytes to a Document: the only parsers, one small file a family of formats.

`read` tells the format by content first, then by the declared type and the name. Call it
through `ingest.sandbox` for anything that is not our own: parsers of foreign bytes may crash,
hang or eat memory, and are to do that in a child process.

Libraries: trafilatura (pages), pypdfium2 (PDF), striprtf (RTF), lxml with entities and
network off (Word, OpenDocument, EPUB), the standard library (mail, MHTML). markitdown was
weighed and left: it brings magika with an ONNX model and its own copies of the parsers
above, drops headings of pages' articles together with the choice of what the article is,
and returns no metadata.
"""

import re
from importlib import import_module
from pathlib import PurePosixPath

from ingest.document import Document
from ingest.readers.build import ArchiveError, ReadError

__all__ = ["SUFFIXES", "ArchiveError", "ReadError", "original_suffix", "read", "read_as", "sniff"]

_BY_SUFFIX = {
    ".md": "markdown", ".markdown": "markdown", ".txt": "text", ".text": "text", ".html": "html",
    ".htm": "html", ".xhtml": "html", ".mhtml": "mhtml", ".mht": "mhtml", ".pdf": "pdf",
    ".docx": "docx", ".odt": "odt", ".epub": "epub", ".rtf": "rtf", ".eml": "eml", ".zip": "zip",
}  # fmt: skip
SUFFIXES = frozenset(_BY_SUFFIX)
_BY_TYPE = {
    "text/html": "html", "application/xhtml+xml": "html", "text/markdown": "markdown", "text/plain": "text",
    "message/rfc822": "eml", "multipart/related": "mhtml", "application/rtf": "rtf", "text/rtf": "rtf",
}  # fmt: skip
_READERS = {
    "markdown": ("text", "read_markdown"), "text": ("text", "read_text"), "html": ("html", "read_html"),
    "mhtml": ("mail", "read_mhtml"), "eml": ("mail", "read_eml"), "pdf": ("pdf", "read_pdf"),
    "docx": ("docx", "read_docx"), "odt": ("odt", "read_odt"), "epub": ("epub", "read_epub"),
    "rtf": ("rtf", "read_rtf"),
}  # fmt: skip
_FOREIGN = (
    (b"\xd0\xcf\x11\xe0", "an old binary Office file (.doc, .xls, .ppt): save it as .docx or .pdf first"),
    (b"\x89PNG", "an image: only text is read"), (b"\xff\xd8\xff", "an image: only text is read"),
    (b"GIF8", "an image: only text is read"), (b"RIFF", "sound, video or an image: only text is read"),
    (b"\x1f\x8b", "a gzip file: unpack it first"), (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a rar archive: unpack it first"), (b"BZh", "a bzip2 file: unpack it first"),
    (b"\x7fELF", "a program: only text is read"), (b"MZ\x90", "a program: only text is read"),
    (b"SQLite format 3\0", "a database: only text is read"), (b"%!PS", "PostScript: convert it to PDF first"),
)  # fmt: skip
_HTML = re.compile(rb"<(?:!doctype\s+html|html[\s>]|head[\s>]|body[\s>])", re.IGNORECASE)
_MAIL = re.compile(
    rb"\A(?:[\w-]{2,40}:[^\n]*\n(?:[ \t][^\n]*\n)*?){0,40}?"
    rb"(?:mime-version|received|return-path|message-id|from):",
    re.IGNORECASE,
)


def original_suffix(kind: str) -> str | None:
    """The suffix under which the original bytes are kept; None for text, which is its own original."""
    return None if kind in ("markdown", "text") else f".{kind}"


def sniff(data: bytes, name: str, content_type: str | None = None) -> str:
    """The format: a key of the readers, or "zip"; raises `ReadError` for what is known and not read.

    Cheap and safe on any bytes: it looks at the first kilobytes and opens nothing. "zip"
    stands for the whole family (docx, odt, epub, archives) until `read` has looked inside.
    """
    if not data:
        raise ReadError("empty")
    for magic, reason in _FOREIGN:
        if data.startswith(magic):
            raise ReadError(reason)
    by_name = _BY_SUFFIX.get(PurePosixPath(name.lower()).suffix)
    prose = by_name in ("markdown", "text")  # an article may speak of a format without being in it
    if b"%PDF-" in data[: 5 if prose else 1024]:
        return "pdf"
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return "zip"
    if data[:5] == b"{\\rtf":
        return "rtf"
    if by_name in ("pdf", "docx", "odt", "epub", "rtf", "zip"):
        return _mislabelled(data, by_name)
    by_type = _BY_TYPE.get((content_type or "").split(";")[0].strip().lower())
    return _sniff_text(data[:4096].replace(b"\0", b""), by_name, by_type)


def _sniff_text(head: bytes, by_name: str | None, by_type: str | None) -> str:
    """The format of what may be text, from its first kilobytes, its name and its declared type."""
    mail = "mhtml" if b"multipart/related" in head.lower() or by_name == "mhtml" else "eml"
    if by_name in ("eml", "mhtml") or by_type in ("eml", "mhtml"):
        return mail
    prose = by_name in ("markdown", "text")
    if (
        (_HTML.match(head.lstrip()) if prose else _HTML.search(head[:2048]))
        or by_name == "html"
        or (by_type == "html" and by_name is None)
    ):
        return "html"
    if head.lstrip()[:5] == b"<?xml" or head.lstrip()[:4].lower() == b"<svg":
        raise ReadError("XML of an unknown kind: only pages, feeds and sitemaps are read")
    if by_name is None and by_type is None and _MAIL.match(head):
        return mail
    return by_name or by_type or "text"


def _mislabelled(data: bytes, kind: str) -> str:
    """A file named .pdf or .docx that is none: a saved page (a log-in form, often) is read as a page."""
    if _HTML.search(data[:2048]):
        return "html"
    raise ReadError(f"named .{kind} but its content is not {kind.upper()}: damaged or mislabelled")


def read(data: bytes, name: str, url: str | None = None, content_type: str | None = None) -> Document:
    """Read one source. `url` is where it was fetched from, `content_type` what the server called it.

    Raises `ArchiveError` for a zip of several files and `ReadError` with the reason for all else
    that does not become text.
    """
    return read_as(data, name, url, content_type)[1]


def read_as(data: bytes, name: str, url: str | None = None, content_type: str | None = None) -> tuple[str, Document]:
    """As `read`, with the format that it turned out to be."""
    kind = sniff(data, name, content_type)
    if kind == "zip":
        from ingest.readers.archive import kind_of_zip

        kind = kind_of_zip(data)
    if kind == "zip":
        raise ArchiveError("an archive of several files")
    module, function = _READERS[kind]
    reader = getattr(import_module(f"ingest.readers.{module}"), function)
    charset = re.search(r"charset=\s*[\"']?([\w.:-]{2,40})", content_type or "", re.IGNORECASE)
    options: dict[str, str | None] = {}
    if kind in ("html", "markdown", "text"):
        options["charset"] = charset[1] if charset else None
    if kind in ("html", "mhtml"):
        options["url"] = url
    document: Document = reader(data, name, **options)
    return kind, document
