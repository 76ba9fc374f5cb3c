"""The bytes of one source -> its corpus file: read in a child, named, and written when they say something new.

Knows nothing of where bytes come from; feeds and archives, which hold other sources, are opened by `add`.
"""

import hashlib
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from ingest import UserError
from ingest.corpus import read_document, tidy
from ingest.document import Document
from ingest.fetch import Fetched
from ingest.jobs import Added, Outcome, Status
from ingest.readers import original_suffix
from ingest.receipts import Receipts
from ingest.sandbox import Sandbox

# Of these the reader has checked that the address they state is their own host's; any other file may claim
# any address, and would take the place of the article that has it.
_PAGES = ("html", "mhtml")

Within = Literal["archive", "feed"]  # what a source was found in, if it was not given as it is


@dataclass(frozen=True)
class Raw:
    """The bytes of one source; `answer` is what the server said if they were fetched.

    `fixed` keeps the origin whatever address the page states, as for one that is refreshed.
    """

    data: bytes
    name: str
    origin: str
    answer: Fetched | None = None
    fixed: bool = False
    within: Within | None = None

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


class Importer:
    """Writes corpus files of sources. Safe for several threads."""

    def __init__(self, receipts: Receipts, sandbox: Sandbox) -> None:
        self._receipts, self._sandbox = receipts, sandbox
        self._lock = threading.Lock()
        self._named: dict[str, str] = {}  # the digest of what has each upload's name
        self._claimed: dict[str, str] = {}  # the text of the page that has each stated address

    def unchanged(self, source: Raw) -> Outcome | None:
        """The outcome of bytes that the corpus has already; None for all else."""
        known, path = self._receipts.get(source.origin), self._receipts.find(source.origin)
        if known and path and known.sha256 == source.digest:
            return "unchanged", Added(source.origin, path)
        return None

    def store(self, source: Raw) -> Outcome:
        """Read the bytes and write what they say.

        Raises `ArchiveError` for an archive and `UserError` with the reason for all else that is not stored.
        """
        kind, document = self._read(source.data, source.name, source.answer)
        origin = source.origin
        if source.answer and kind not in _PAGES:
            document = replace(document, metadata=replace(document.metadata, url=source.answer.url))
        elif source.answer and not source.fixed:
            document, origin = self._claim(document, origin)
        elif source.within == "archive" and is_web(origin) and not _same_host(document.metadata.url, origin):
            document = replace(document, metadata=replace(document.metadata, url=None))
        status, path = self._write(document, kind, origin, source)
        return status, Added(origin, path)

    def upload_origin(self, data: bytes, key: str) -> str:
        """The origin of bytes that are known by a mere name: another file of that name becomes one of its own."""
        digest, suffix = hashlib.sha256(data).hexdigest(), PurePosixPath(key).suffix
        own = f"{key.removesuffix(suffix)} ({digest[:8]}){suffix}"
        before = self._digest_before(data, key, digest)
        with self._lock:  # two of one name may be read at once
            mine = self._named.setdefault(key, before) == digest
        return key if mine and not self._receipts.find(own) else own

    def _digest_before(self, data: bytes, key: str, digest: str) -> str:
        """The digest of the bytes that the corpus has under a mere name; `digest` of `data` where it has none."""
        path, receipt = self._receipts.find(key), self._receipts.get(key)
        if path is None:
            return digest
        if receipt and receipt.sha256:
            return receipt.sha256
        # Killed, or the disk full, before the receipt was written: then the text tells.
        with suppress(UserError):
            if tidy(self._read(data, key, None)[1]).text == read_document(path).text:
                return digest
        return "unknown"

    def _claim(self, document: Document, address: str) -> tuple[Document, str]:
        """The page under the address that it states, unless another page of this run, with other text, has that."""
        stated = document.metadata.url or address
        own = stated != address and self._receipts.find(address) is not None  # so it was the time before
        with self._lock:
            first = self._claimed.setdefault(stated, document.text) if not own else None
        if first == document.text:
            return document, stated
        return replace(document, metadata=replace(document.metadata, url=address)), address

    def _read(self, data: bytes, name: str, answer: Fetched | None) -> tuple[str, Document]:
        url, declared = (answer.url, answer.content_type) if answer else (None, None)
        document, kind = self._sandbox.read(data, name, url, declared)
        return kind, document

    def _write(self, document: Document, kind: str, origin: str, source: Raw) -> tuple[Status, Path]:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        document = replace(document, metadata=replace(document.metadata, origin=origin, retrieved=now))
        with self._lock:
            return self._receipts.store(document, original_suffix(kind), source.data, source.digest, source.answer)


def is_web(origin: str) -> bool:
    """Is this origin an http(s) URL, or within one?"""
    return origin.startswith(("http://", "https://"))


def _same_host(url: str | None, other: str) -> bool:
    return url is None or urlsplit(url).hostname == urlsplit(other).hostname
