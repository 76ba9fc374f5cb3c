"""Which origin has which corpus file, and what is remembered of its last reading.

The front matter of the corpus files says which origin each has. A receipt, one small JSON file
an origin under originals/, only spares work; without it the source is fetched and parsed again.
Several processes may add to one corpus: each file is stored under a lock, for a moment.
"""

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal

import yaml
from filelock import FileLock

from ingest import UserError
from ingest.corpus import ORIGINALS, corpus_files, read_document, render, tidy, write_document
from ingest.document import Document
from ingest.fetch import Fetched

_ORIGIN = re.compile(r"^origin: *(.+)$", re.MULTILINE)
_HEAD = 65_536  # bytes in which front matter that we wrote ends


@dataclass(frozen=True)
class Receipt:
    """What the last reading of an origin saw.

    The SHA-256 of its bytes, the server's validators, the name under originals/ of the kept bytes, and
    the corpus file (a path under the corpus folder) and the SHA-256 of the document in it as it was read.
    While the corpus file is being written `sha256` is empty, and `was` that of the document it replaces.
    """

    origin: str
    sha256: str
    etag: str | None = None
    last_modified: str | None = None
    original: str | None = None
    path: str | None = None
    said: str | None = None
    was: str | None = None


class Receipts:
    """The origins of one corpus. Safe to read from several threads; `store` by one at a time."""

    def __init__(self, corpus_dir: Path) -> None:
        self._corpus_dir = corpus_dir
        self._folder = corpus_dir / ORIGINALS
        self._paths: dict[str, Path] | None = None
        self._lock = threading.Lock()

    def origins(self) -> dict[str, Path]:
        """Every origin in the corpus and its file, from the front matter as it is now on disk."""
        with self._lock:
            if self._paths is None:
                found = ((_origin_of(path), path) for path in corpus_files(self._corpus_dir))
                self._paths = {origin: path for origin, path in found if origin}
            return self._paths

    def find(self, origin: str) -> Path | None:
        """The corpus file of an origin, if there is one."""
        path = self.origins().get(origin)
        if path and path.is_file():
            return path
        receipt = self.get(origin)  # of another process, perhaps, that added it since
        path = self._corpus_dir / receipt.path if receipt and receipt.path else None
        return path if path and _origin_of(path) == origin else None

    def get(self, origin: str) -> Receipt | None:
        """The receipt of an origin; None when there is none or it cannot be read."""
        try:
            found = json.loads(self._file(origin).read_text(encoding="utf-8"))
            receipt = Receipt(**found)
        except (OSError, ValueError, TypeError):
            return None
        return receipt if receipt.origin == origin else None

    def store(
        self, document: Document, suffix: str | None, data: bytes, digest: str, answer: Fetched | None
    ) -> tuple[Literal["added", "updated", "unchanged"], Path]:
        """Write the document's corpus file unless it says the same already, its original and its receipt.

        The original is written first and the old one removed last, so that a corpus file always has
        one. Raises `UserError` when the file was edited by hand since: what a person wrote is kept.
        """
        with self._alone():
            return self._store(document, suffix, data, digest, answer)

    def _store(
        self, document: Document, suffix: str | None, data: bytes, digest: str, answer: Fetched | None
    ) -> tuple[Literal["added", "updated", "unchanged"], Path]:
        origin = document.metadata.origin or ""
        path, old, said = self.find(origin), self.get(origin), _said(document)
        before = _readable(path)
        now = _said(before) if before else None
        finished = bool(old and old.sha256 and old.said == said)  # then the file is ours, or edited by hand
        same = now == said or bool(path and finished)
        # The text of a person who wrote the origin in front, as it was fetched: the file stays as it is.
        same = same or bool(before and not old and before.document_id == tidy(document).document_id)
        ours = now is not None and old is not None and now in (old.said, old.was)
        if path and not same and not ours and (old is None or old.said):
            raise UserError(
                f"it has changed, and so has {path} by hand, which is kept: delete that to take the new one"
                if old
                else f"it differs from {path}, which add has no receipt of: that is kept; delete it to take this one"
            )
        kept = f"{tidy(document).document_id}{suffix}" if suffix else None
        if kept:
            self._write(self._folder / kept, data)
        if same and path:
            written = path
        else:  # a kill from here on must not make our own file look like one written by hand
            self._keep(Receipt(origin, "", said=said, was=now, original=old.original if old else None))
            written = write_document(self._corpus_dir, document, path)
        self.origins()[origin] = written
        receipt = Receipt(
            origin,
            digest,
            answer.etag if answer else None,
            answer.last_modified if answer else None,
            kept,
            written.relative_to(self._corpus_dir).as_posix(),
            said,
        )
        self._keep(receipt)
        if old and old.original and old.original != kept:
            self._drop(old.original)
        return ("unchanged" if same else "updated" if path else "added"), written

    def forget(self, origin: str) -> None:
        """Remove the receipt of an origin and the bytes kept for it; raises `OSError`."""
        receipt = self.get(origin)
        if receipt is None and not self._file(origin).exists():
            return
        with self._alone():
            self._file(origin).unlink(missing_ok=True)
            if receipt and receipt.original:
                self._drop(receipt.original)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process stores anything in this corpus meanwhile."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._folder / ".lock")
            lock.acquire()
        except OSError as error:
            raise UserError(f"Cannot write to {self._folder}: {error.strerror}.") from error
        try:
            yield
        finally:
            lock.release()

    def _drop(self, name: str) -> None:
        """Remove kept bytes that no receipt speaks of any more."""
        if Path(name).name != name:
            return
        for file in self._folder.glob("*.json"):
            with suppress(OSError):
                if f'"{name}"' in file.read_text(encoding="utf-8"):
                    return
        with suppress(OSError):
            (self._folder / name).unlink()

    def _file(self, origin: str) -> Path:
        return self._folder / f"{hashlib.sha256(origin.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}.json"

    def _keep(self, receipt: Receipt) -> None:
        data = json.dumps(asdict(receipt), ensure_ascii=False).encode("utf-8")
        self._write(self._file(receipt.origin), data)

    def _write(self, path: Path, data: bytes) -> None:
        """Write whole or not at all. A lost original or receipt costs no document, so it is not synced."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("wb", dir=self._folder, prefix=".writing-", suffix=".tmp", delete=False) as file:
                file.write(data)
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except OSError as error:
            with suppress(OSError, NameError):
                os.unlink(file.name)
            raise UserError(f"Cannot write to {self._folder}: {error.strerror}.") from error


def _origin_of(path: Path) -> str | None:
    """The origin in a corpus file's front matter, without parsing the whole of it."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return None
    if not head.startswith("---"):
        return None
    found = _ORIGIN.search(head.split("\n---", 1)[0])
    try:
        value = yaml.load(found[1], Loader=yaml.BaseLoader) if found else None  # noqa: S506 - plain strings only
    except yaml.YAMLError:
        return None
    return value if isinstance(value, str) else None


def _readable(path: Path | None) -> Document | None:
    try:
        return read_document(path) if path else None
    except UserError:
        return None


def _said(document: Document) -> str:
    """A digest of what a reading says, the time of reading aside."""
    metadata = replace(document.metadata, retrieved=None)
    return hashlib.sha256(render(tidy(replace(document, metadata=metadata))).encode("utf-8")).hexdigest()
