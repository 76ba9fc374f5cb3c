"""Document <-> a Markdown file with YAML front matter; the folder of these files is the truth.

Readable and editable by hand. Knows nothing of the index.
"""

import os
import re
import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import yaml

from ingest import UserError
from ingest.clean import clean_line, clean_text, visible
from ingest.document import Document, Metadata
from ingest.page_marks import with_marks, without_marks
from ingest.readers import SUFFIXES
from ingest.settings import SOURCE_BYTES

ORIGINALS = "originals"  # folder inside the corpus for the bytes that documents were read from
_FRONT = re.compile(r"---[ \t]*\n(?:(.*?)\n)??(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_FRONT_CHARACTERS = 100_000  # more is no front matter, and YAML is slow
_TEXT_FIELDS = [field.name for field in fields(Metadata) if field.name not in ("title", "pages")]
_FIRST_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+([^ \t\n].*)", re.MULTILINE)
_NAME_BYTES = 120
_HOUR = 3600.0
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)$")  # names that Windows keeps for devices


def read_document(path: Path) -> Document:
    """The document of one corpus file: cleaned text and what its front matter says.

    A file without front matter has its first heading, else its name, as its title. Raises
    `UserError`, naming the file, when it cannot be read, is not UTF-8 text, has broken front
    matter, or has no text.
    """
    try:
        return parse_document(file_bytes(path), path)
    except OSError as error:
        raise UserError(f"Cannot read {_named(path)}: {error.strerror}.") from error


def file_bytes(path: Path) -> bytes:
    """The bytes of a corpus file. Raises `OSError`, and `UserError` when there are too many to hold."""
    if path.stat().st_size > SOURCE_BYTES:
        raise UserError(f"{_named(path)} has more than {SOURCE_BYTES // 1_000_000} MB: split it into several files.")
    return path.read_bytes()


def parse_document(data: bytes, path: Path) -> Document:
    """The document of the bytes of the corpus file `path`; see `read_document`."""
    try:
        raw = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{_named(path)} is not UTF-8 text: save it as UTF-8, or remove it.") from error
    if "\x00" in raw:
        raise UserError(f"{_named(path)} is not text (it has zero bytes): remove it, or convert it to text.")
    front, body = _parts(raw.replace("\r\n", "\n").replace("\r", "\n"), path)
    document = tidy(Document(body, _metadata(front, path)))
    if not document.text:
        raise UserError(f"{_named(path)} has no text: write some, or remove it.")
    if document.metadata.title:
        return document
    return replace(document, metadata=replace(document.metadata, title=_title(document.text, path)))


def tidy(document: Document) -> Document:
    """The document as a corpus file keeps it: clean text and metadata, no white space at the ends."""
    text, pages = document.text, document.metadata.pages
    cleaned_text, marked = without_marks(clean_text(text))
    if cleaned_text != text:
        pages = marked or tuple(len(clean_text(text[:page])) for page in pages)
    text = cleaned_text.strip()
    lead = len(cleaned_text) - len(cleaned_text.lstrip())
    pages = tuple(max(0, page - lead) for page in pages if page - lead < len(text))
    told = {name: getattr(document.metadata, name) for name in _TEXT_FIELDS}
    cleaned = {name: clean_line(value) or None for name, value in told.items() if value}
    title = clean_line(document.metadata.title)
    return Document(text, Metadata(title=title, pages=pages, **cleaned))


def render(document: Document) -> str:
    """The corpus file of a document; reading it gives `tidy(document)` again."""
    metadata = document.metadata
    told = {name: getattr(metadata, name) for name in ("title", *_TEXT_FIELDS)}
    lines = [_yaml(name, value) for name, value in told.items() if value is not None]
    return f"---\n{''.join(lines)}---\n\n{with_marks(document.text, metadata.pages)}\n"


def write_document(corpus_dir: Path, document: Document, path: Path | None = None) -> Path:
    """Write the document's file, whole or not at all, and return its path.

    A new file is named after the title and never replaces another one; with `path` that file is
    written, or replaced. Raises `UserError` when it cannot be written.
    """
    document = tidy(document)
    if not document.text:
        raise UserError(f"{document.metadata.title!r} has no text.")
    data = render(document).encode("utf-8")
    if len(data) > SOURCE_BYTES:
        raise UserError(f"its text has more than {SOURCE_BYTES // 1_000_000} MB: split it into several files")
    try:
        (path.parent if path else corpus_dir).mkdir(parents=True, exist_ok=True)
        return _write(corpus_dir, data, document.metadata.title, path)
    except OSError as error:
        raise UserError(f"Cannot write to {_named(path or corpus_dir)}: {error.strerror}.") from error


def corpus_files(corpus_dir: Path) -> list[Path]:
    """The *.md files under `corpus_dir`, sorted; hidden ones and those under originals/ left out.

    Raises `UserError` when a folder cannot be read: its documents are not gone.
    """
    try:
        return sorted(_walk(corpus_dir, frozenset([".md"])))
    except PermissionError as error:
        raise UserError(f"Cannot read {visible(str(error.filename))}: {error.strerror}.") from error


def other_files(corpus_dir: Path) -> list[Path]:
    """The files under `corpus_dir` that are no Markdown but could be read: `add` makes documents of them."""
    return sorted(_walk(corpus_dir, SUFFIXES - {".md"}))


def sweep(corpus_dir: Path) -> None:
    """Remove what a killed process left half written; what is younger than an hour may be another's work."""
    for folder in (corpus_dir, corpus_dir / ORIGINALS):
        for path in folder.glob(".writing-*.tmp"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _HOUR:
                    path.unlink()


def _walk(corpus_dir: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(corpus_dir, onerror=_unless_gone):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        if Path(folder) == corpus_dir and ORIGINALS in subfolders:
            subfolders.remove(ORIGINALS)
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() in suffixes and not name.startswith(".") and path.is_file():
                yield path


def _named(path: Path) -> str:
    return visible(str(path))


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


class _Loader(yaml.BaseLoader):
    """Every value is text as written, so that a title "1984" or a date stays one.

    Aliases, with which a short file can name a huge text, are refused.
    """

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        """The next node, if it is not an alias."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases are not read in front matter", mark)
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[arg-type]
        return node


def _parts(raw: str, path: Path) -> tuple[dict[str, object], str]:
    """Front matter and body. Text that begins with a rule (---) and no mapping is all body."""
    match = _FRONT.match(raw)
    if not match or match.end() > _FRONT_CHARACTERS:
        return {}, raw
    try:
        front = yaml.load(match[1] or "", Loader=_Loader)  # noqa: S506 - it makes nothing but text
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 2}" if mark else ""
        raise UserError(
            f"{_named(path)} has broken front matter{line}: mend the YAML between the --- lines."
        ) from error
    if front in (None, ""):
        return {}, raw[match.end() :]
    return (front, raw[match.end() :]) if isinstance(front, dict) else ({}, raw)


def _metadata(front: dict[str, object], path: Path) -> Metadata:
    told: dict[str, Any] = {name: _text(front.get(name), name, path) for name in _TEXT_FIELDS}
    title = _text(front.get("title"), "title", path) or ""
    return replace(Metadata(title), **{name: value for name, value in told.items() if value not in ("~", "null")})


def _text(value: object, name: str, path: Path) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    raise UserError(f"{_named(path)}: {name} in the front matter must be one line of text.")


def _title(text: str, path: Path) -> str:
    heading = _FIRST_HEADING.search(text)
    words = heading[1].rstrip(" \t").rstrip("#") if heading else ""  # without the # that may close it
    title = clean_line(words)[:300].strip()
    return title or clean_line(path.stem.replace("_", " ").replace("-", " ")) or "Untitled"


def _yaml(name: str, value: str) -> str:
    """One line; text that YAML would read as a date, a number or a boolean is quoted."""
    return str(yaml.safe_dump({name: value}, allow_unicode=True, width=10**9))


def _write(corpus_dir: Path, data: bytes, title: str, path: Path | None) -> Path:
    folder = path.parent if path else corpus_dir
    with NamedTemporaryFile("wb", dir=folder, prefix=".writing-", suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            target = _put(temporary, path) if path else _put_new(temporary, corpus_dir, title)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
    _sync_folder(folder)
    return target


def _put(temporary: Path, path: Path) -> Path:
    os.replace(temporary, path)
    return path


def _put_new(temporary: Path, folder: Path, title: str) -> Path:
    """Give the file a free name; a hard link fails where a name is taken, even in a race."""
    slug = slugify(title)
    number = 1
    while True:
        target = folder / (f"{slug}.md" if number == 1 else f"{slug}-{number}.md")
        try:
            os.link(temporary, target)
            return target
        except FileExistsError:
            number += 1
        except OSError:  # a file system without hard links
            if not target.exists():
                return _put(temporary, target)
            number += 1


def slugify(title: str) -> str:
    """A file name (without ending) for a title: letters of any script, digits and hyphens."""
    text = unicodedata.normalize("NFC", title).lower()
    text = re.sub(r"['’‘`´]", "", text)
    slug = re.sub(r"[\W_]+", "-", text).strip("-")
    slug = slug.encode("utf-8")[:_NAME_BYTES].decode("utf-8", "ignore").strip("-")
    return f"{slug}-" if _RESERVED.match(slug) else slug or "untitled"


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable; Windows can't, and keeps names safe in its own way."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
