"""What a commit changes in Chroma: the folder, or the server's collection, for the state to come.

Readers know nothing of it until the catalog's commit names it. Of the catalog it only reads, but for
the identity by which a server's collection is named.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from ingest import builds
from ingest.catalog_writer import CatalogWriter
from ingest.index import IndexFailedError, VectorIndex, blank_unused
from ingest.progress import Progress, Report
from ingest.settings import Settings
from ingest.store import CHROMA

_BATCH = 1000  # vectors in memory on their way from the catalog to Chroma
Entries = Callable[[], Iterable[tuple[str, str]]]  # ids and keys, from the start at each call
_FORMER = "beside.npz"  # kept what the catalog names now, in builds of an earlier version
FEW = 10  # entries out of the graph's reach that are no sign of a broken index; in a large one, one of a thousand


@dataclass(frozen=True)
class Build:
    """A build that is finished: what the catalog's commit must say of it, and what to do after that."""

    facts: dict[str, object]
    drop_obsolete: Callable[[], None] = lambda: None


class Builder:
    """Builds for one commit after another; `rebuilt` says why one was made from nothing, if it was."""

    def __init__(
        self, settings: Settings, writer: CatalogWriter, space: int, mark: str, progress: Report | None
    ) -> None:
        """Build from the vectors of `space`; `mark` names who made them."""
        self._settings, self._writer, self._progress = settings, writer, progress
        self._space, self._mark = space, mark
        self._chroma = settings.index_dir / CHROMA
        self.rebuilt = ""

    def build(self) -> Build:
        """The build for what `CatalogWriter.flip` will keep. Raises `IndexFailedError` when Chroma fails."""
        return self._on_server() if self._settings.chroma_url else Build(self._in_folder())

    def _in_folder(self) -> dict[str, object]:
        """The build for what is wanted: the current one when it serves, else a changed copy, else a new one."""
        name, sealed = self._writer.meta("build") or "", json.loads(self._writer.meta("seal") or "{}")
        current = self._writer.meta("space") == str(self._space)
        usable = bool(sealed) and current and _FORMER not in sealed and builds.intact(self._chroma / name, sealed)
        if usable and not any(next(self._writer.entries(which), None) for which in ("new", "gone")):
            return {"build": name, "seal": json.dumps(sealed)}
        if name and sealed and current and not usable:
            self.rebuilt = "the vector index was damaged or missing"
        if usable:
            with suppress(IndexFailedError, builds.BrokenSealError):
                return self._build(name, sealed)
        return self._build("", {})

    def _build(self, base: str, sealed: builds.Seal) -> dict[str, object]:
        name = f"build-{secrets.token_hex(6)}"
        folder = self._chroma / name
        folder.mkdir(parents=True, mode=0o700)
        builds.copy(self._chroma / base, sealed, folder)
        index = VectorIndex.in_folder(folder, create=True)
        try:
            for part in _parts(self._writer.entries("gone") if base else ()):
                index.delete([entry for entry, _ in part])
            new = partial(self._writer.entries, "new" if base else "wanted")
            self._add(index, new)
            unreached = self._unreached(bool(base), self._lost(index, new))
            if index.count() != self._writer.kept_passages():
                raise IndexFailedError(f"Chroma holds {index.count()} of {self._writer.kept_passages()} entries.")
        finally:
            index.close()
        blank_unused(folder)
        return {"build": name, "seal": json.dumps(builds.seal(folder)), "unreached": unreached}

    def _on_server(self) -> Build:
        identity = self._writer.meta("identity") or secrets.token_hex(6)
        self._writer.set_meta({"identity": identity})
        # With the mark, a collection that a killed build of another embedder left is not taken for this one's.
        name = self._served() or f"article-chat-{identity}-{self._space}-{self._mark}"
        index = VectorIndex.on_server(self._settings, name, create=True)
        held = index.ids()
        wanted = {entry for entry, _ in self._writer.entries("wanted")}
        # What a broken-off sync added is held, but was never looked up: only a commit says that it was.
        new = {entry for entry, _ in self._writer.entries("new" if self._served() else "wanted")} | (wanted - held)
        self._add(index, lambda: (one for one in self._writer.entries("wanted") if one[0] not in held))
        lost = self._lost(index, lambda: (one for one in self._writer.entries("wanted") if one[0] in new))
        unreached = self._unreached(bool(self._served()), lost)
        return Build({"build": name, "seal": "", "unreached": unreached}, lambda: index.delete(list(held - wanted)))

    def _unreached(self, grown: bool, lost: Sequence[tuple[str, str]]) -> str:
        """What the catalog says of the entries that are to be compared one by one; `grown`: also those of before."""
        before = json.loads(self._writer.meta("unreached") or "[]") if grown else []
        out = {*before, *(entry for entry, _ in lost)}
        wanted = self._writer.entries("wanted") if out else ()
        return json.dumps(sorted(entry for entry, _ in wanted if entry in out))

    def _served(self) -> str:
        """The collection of the last commit, if it is on a server and of these vectors."""
        current = self._writer.meta("space") == str(self._space)
        return (self._writer.meta("build") or "") if current and not self._writer.meta("seal") else ""

    def _add(self, index: VectorIndex, new: Entries) -> None:
        done, total = 0, sum(1 for _ in new())
        for part in _parts(new()):
            if self._progress:
                self._progress(Progress("Indexing", done, total, "passages"))
            index.add([entry for entry, _ in part], self._vectors(part))
            done += len(part)

    def _lost(self, index: VectorIndex, new: Entries) -> list[tuple[str, str]]:
        """Those that are not found by their own vector; raises `IndexFailedError` when they are many."""
        lost: list[tuple[str, str]] = []
        total = 0
        for part in _parts(new()):
            total += len(part)
            missing = {*index.not_found([entry for entry, _ in part], self._vectors(part))}
            lost += self._again(index, [one for one in part if one[0] in missing]) if missing else []
        if len(lost) > max(FEW, total // 1000):
            raise IndexFailedError(
                f"Chroma does not find {len(lost)} passages by their own vectors: "
                "run `python -m ingest sync --rebuild`."
            )
        return lost

    def _again(self, index: VectorIndex, entries: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Add again what a search does not reach; what it does not reach even then."""
        ids, vectors = [entry for entry, _ in entries], self._vectors(entries)
        index.delete(ids)
        index.add(ids, vectors)
        missing = {*index.not_found(ids, vectors)}
        return [one for one in entries if one[0] in missing]

    def _vectors(self, entries: Sequence[tuple[str, str]]) -> np.ndarray:
        return self._writer.vectors_of(self._space, [key for _, key in entries])


def _parts(entries: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """So many entries at a time as may be in memory with their vectors."""
    left = iter(entries)
    while part := list(islice(left, _BATCH)):
        yield part
