"""The only SQLite, the commit point of the store: its connections, its snapshots and its own facts.

A reader sees the state of one commit, in every thread and process, while a writer works (SQLite's WAL).
Knows nothing of what the tables hold.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from ingest import UserError
from ingest.catalog_schema import FILE_NAME, SCHEMA_VERSION, DamagedError, faults

_TIMEOUT = 30.0  # seconds to wait for SQLite's own short locks
_Self = TypeVar("_Self", bound="CatalogFile")


class CatalogFile:
    """The catalog's file, open; each thread has a connection of its own."""

    def __init__(self, path: Path, uri: str) -> None:
        self.path = path
        self._uri = uri
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []

    @classmethod
    def open(cls: type[_Self], index_dir: Path) -> _Self:
        """Open an index for reading.

        Raises `UserError` when there is none, or it cannot be read, or another version made it.
        """
        path = index_dir / FILE_NAME
        if not path.exists():
            raise UserError(f"There is no index in {index_dir} yet: run `python -m ingest sync`.")
        for mode in ("mode=ro", "immutable=1"):  # the latter for a folder that forbids SQLite's own files
            catalog = cls(path, f"{path.absolute().as_uri()}?{mode}")
            try:
                with faults(path):
                    catalog._check_version()
                return catalog
            except DamagedError:
                catalog.close()
                raise
            except UserError:
                catalog.close()
                if mode == "immutable=1":
                    raise
        raise AssertionError

    def close(self) -> None:
        """Close the connections of every thread."""
        with self._lock:
            for connection in self._connections:
                with suppress(sqlite3.Error):
                    connection.close()
            self._connections.clear()
            self._local = threading.local()

    def generation(self) -> int:
        """A number that grows with every commit."""
        return int(self.meta("generation") or 0)

    def fingerprint(self) -> str | None:
        """What embedder made the vectors."""
        return self.meta("fingerprint")

    def meta(self, key: str) -> str | None:
        """One of the catalog's own facts: generation, fingerprint, dimension, space, build, made."""
        with self.read() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, inside one snapshot; SQLite's errors become `UserError`s."""
        with faults(self.path):
            connection = self._connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                with suppress(sqlite3.Error):
                    connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # Only its own thread uses it; `close` may come from another.
            connection = sqlite3.connect(
                self._uri, uri=True, timeout=_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection

    def _check_version(self) -> None:
        version = self._connection().execute("PRAGMA user_version").fetchone()[0]
        if version == SCHEMA_VERSION:
            self._connection().execute("SELECT count(*) FROM meta").fetchone()
            return
        raise DamagedError(
            f"{self.path} was made by another version of this program: run `python -m ingest sync`, which rebuilds it."
        )
