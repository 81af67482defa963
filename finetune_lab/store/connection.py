"""One SQLite connection for many processes: write-ahead log, waiting instead of failing, made when first needed."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from filelock import FileLock

from finetune_lab.errors import LabError
from finetune_lab.store.migrations import MIGRATIONS, migrate, version

BUSY_SECONDS = 60


class Database:
    """The file at `path`, opened when first used, and again in a forked process or when the file was replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = RLock()
        self._open: sqlite3.Connection | None = None
        self._seen: tuple[int, int, int] | None = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to ask; where there is no file yet, an empty database, so that every answer is empty."""
        with self._lock, _damage_named(self.path):
            yield self._connection(create=False)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing. Waits up to a minute for other writers."""
        with self._lock, _damage_named(self.path):
            connection = self._connection(create=True)
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                connection.execute("rollback")
                raise

    def close(self) -> None:
        with self._lock:
            # a connection that came through a fork belongs to the parent, and closing it here would harm that one
            if self._open is not None and self._seen is not None and self._seen[0] == os.getpid():
                self._open.close()
            self._open = self._seen = None

    def _connection(self, *, create: bool) -> sqlite3.Connection:
        if create:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._open is None or self._seen != self._identity() or (create and self._seen[1:] == (0, 0)):
            self.close()
            exists = create or self.path.exists()
            self._open = open_database(self.path) if exists else open_database(None)
            # not looked at again where there was none: another process may have made it since
            self._seen = self._identity() if exists else (os.getpid(), 0, 0)
        return self._open

    def _identity(self) -> tuple[int, int, int]:
        """The process and the file; (…, 0, 0) while there is no file."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return os.getpid(), 0, 0
        return os.getpid(), stat.st_dev, stat.st_ino


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            raise LabError(f"the store {path} is damaged ({error}): task=reindex makes it again") from error
        raise


def open_database(path: Path | None) -> sqlite3.Connection:
    """Open or make a database with the newest schema; None: an empty one in memory.

    Raises LabError when a newer release has written it, sqlite3.DatabaseError when it is damaged.
    """
    place = str(path.resolve()) if path else ":memory:"
    read_only = path is not None and not os.access(path.parent, os.W_OK)
    if path and read_only:  # SQLite would make files beside it even to read; no one can be writing there either
        place = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    # isolation_level None: no transaction begins by itself; the lock of `Database` lets other threads use it
    connection = sqlite3.connect(
        place, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=read_only
    )
    try:
        if path is None:
            migrate(connection)
        elif version(connection) < len(MIGRATIONS) and not read_only:
            _prepare(connection, path)
        # a power cut may cost the newest rows, never the file; the folders still hold them
        connection.execute("pragma synchronous = normal")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    place = path.parent / ".locks"
    place.mkdir(exist_ok=True)
    with FileLock(place / f"{path.name}.lock"):  # the change to a write-ahead log does not wait: it fails when busy
        connection.execute("pragma journal_mode = wal")
        migrate(connection)
