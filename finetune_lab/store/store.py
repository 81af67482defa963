"""The store: an index of what lies below outputs/, for questions. It can be deleted; `reindex` makes it again."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from finetune_lab.errors import DataError, LabError
from finetune_lab.records import Answer, Sample
from finetune_lab.store import exporting, field_tests, indexing, questions, reports
from finetune_lab.store.connection import Database
from finetune_lab.store.folders import finite
from finetune_lab.store.indexing import Tables
from finetune_lab.store.questions import Asked, Columns, EvaluationRow, Member, RunRow, ScoreRow
from finetune_lab.store.rebuild import Reindexed, rebuild

# what reading or writing raises for a folder that holds something else than its kind holds
_FOREIGN = (KeyError, TypeError, ValueError, AttributeError, OSError)
_UNFIT = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError)
STATUSES = ("planned", "running", "done", "failed")
Found = TypeVar("Found")


class Store:
    """The index at `path` (outputs/lab.sqlite). Nothing is opened or made before it is needed.

    Several processes and threads may use it at once. Every `index_*` reads one folder, replaces what was known
    of it, and gives whether anything had changed; DataError for a folder that is unfinished or of another kind.
    Questions about an outputs folder without a store are answered as those about an empty one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outputs = path.parent
        self._database = Database(path)

    def close(self) -> None:
        """Let go of the file; the next question opens it again."""
        self._database.close()

    # ---- from folders

    def index_dataset(self, folder: Path) -> bool:
        return self._index(folder, indexing.read_dataset, self._put)

    def index_run(self, folder: Path) -> bool:
        """Read card, note, failure and curve. Unlike the others it takes a folder that is not finished."""
        return self._index(folder, indexing.read_run, self._put_run)

    def index_membership(self, path: Path) -> bool:
        return self._index(path, indexing.read_membership, self._put)

    def index_answers(self, folder: Path) -> bool:
        return self._index(folder, indexing.read_answers, self._put_answers)

    def index_evaluation(self, folder: Path) -> bool:
        return self._index(folder, indexing.read_scores, self._put_evaluation)

    def index_report(self, path: Path) -> bool:
        """Read a group's newest comparison, reports/<group>/comparison.json."""
        return self._index(
            path, reports.read_report, lambda connection, tables: self._put_report(connection, path, tables)
        )

    def index_field_test(self, folder: Path) -> bool:
        return self._index(folder, field_tests.read_field_test, self._put_field_test)

    def reindex(self, outputs: Path) -> Reindexed:
        """Read everything below `outputs` into a new file, which then replaces the content of this one at once.

        Others may read and write meanwhile; a folder that cannot be read is named in the result, not raised.
        """
        self.close()
        return rebuild(self.path, outputs, Store)

    # ---- while a run goes on

    def add_metrics(self, run: str, step: int, time: float, metrics: Mapping[str, float]) -> None:
        """Note what was measured at a step (`time` in seconds since 1970); a step that is repeated replaces itself."""
        rows = [
            {"run": run, "name": name, "step": step, "value": finite(value), "time": time}
            for name, value in metrics.items()
        ]
        with self._database.writing() as connection:
            indexing.put(connection, "training_metric", rows)

    def add_samples(self, samples: Iterable[Sample]) -> None:
        """Keep the texts of rows that may stand in no prepared dataset; those that are known are left alone."""
        rows = indexing.sample_rows(samples)
        missing = {row["id"] for row in rows} - set(self.samples(row["id"] for row in rows))
        if missing:
            with self._database.writing() as connection:
                indexing.put(connection, "sample", [row for row in rows if row["id"] in missing])

    def set_status(self, run: str, status: str, error: str | None = None) -> None:
        """Say how far a run is: planned, running, done or failed (with its error).

        Raises LabError for a run that was not indexed before: `index_run` needs its card only.
        """
        if status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {status!r}")
        with self._database.writing() as connection:
            done = connection.execute("update run set status = ?, error = ? where key = ?", [status, error, run])
            if not done.rowcount:
                raise LabError(f"the store holds no run {run}: index its folder first, or run task=reindex")

    def delete(self, run: str) -> None:
        """Forget a run: its curve, memberships, scores, columns, details and answers. Its folders are not touched."""
        with self._database.writing() as connection:
            for table, column in (("run", "key"), ("training_metric", "run"), ("run_table", "run"), ("member", "run")):
                connection.execute(f"delete from {table} where {column} = ?", [run])
            indexing.delete_subject(connection, run)
            # the folder's name ends in the key: made again under the same name, it must be read again
            ends = "substr(folder, -length(?1)) = ?1 or substr(folder, -length(?2)) = ?2 or instr(folder, ?3)"
            connection.execute(f"delete from indexed_folder where {ends}", [run, f"{run}.json", f"{run}-step"])

    # ---- questions

    def runs(self, group: str | None = None) -> list[RunRow]:
        """All runs, or those of a group, the oldest first."""
        with self._database.reading() as connection:
            return questions.runs(connection, self.outputs, group)

    def find(self, prefix: str) -> RunRow:
        """The run whose key begins with `prefix` or whose label it is. Raises LabError for none or several."""
        with self._database.reading() as connection:
            return questions.find(connection, self.outputs, prefix)

    def members(self, group: str) -> list[Member]:
        """The members of a group in the order in which they joined."""
        with self._database.reading() as connection:
            return questions.members(connection, group)

    def groups(self) -> dict[str, int]:
        """The groups and how many runs each has."""
        with self._database.reading() as connection:
            return questions.groups(connection)

    def scores(self, subjects: Sequence[str], measures: Sequence[str] | None = None) -> list[ScoreRow]:
        """The scores of these subjects (under these measures)."""
        with self._database.reading() as connection:
            return questions.scores(connection, subjects, measures)

    def columns(self, subject: str, measure: str) -> Columns:
        """The per-sample columns of a subject under a measure; nan is unscored."""
        with self._database.reading() as connection:
            return questions.columns(connection, subject, measure)

    def curve(self, run: str) -> dict[str, list[tuple[int, float]]]:
        """The curves of a run: name -> (step, value); nan where the value was not finite."""
        with self._database.reading() as connection:
            return questions.curve(connection, run)

    def timed_curve(self, run: str, name: str) -> list[tuple[int, float, float]]:
        """One curve of a run: (step, value, seconds since 1970), without values that were not finite."""
        with self._database.reading() as connection:
            return questions.timed_curve(connection, run, name)

    def answers(self, subject: str, answers_key: str | None = None) -> list[Answer]:
        """The answers of a subject, of all sets or of one."""
        with self._database.reading() as connection:
            return questions.answers(connection, subject, answers_key)

    def answer_keys(self, subject: str) -> list[str]:
        """The sets of answers that a subject has given."""
        with self._database.reading() as connection:
            return questions.answer_keys(connection, subject)

    def samples(self, ids: Iterable[str]) -> dict[str, Sample]:
        """The samples of these ids that a prepared dataset holds."""
        with self._database.reading() as connection:
            return questions.samples(connection, list(ids))

    def evaluations(self, subject: str) -> list[EvaluationRow]:
        """What stands beside the scores of a subject, and where its files lie."""
        with self._database.reading() as connection:
            return questions.evaluations(connection, self.outputs, subject)

    def details(self, subject: str, measure: str) -> dict[str, Any]:
        """What an evaluator has to say about each sample."""
        with self._database.reading() as connection:
            return questions.details(connection, subject, measure)

    def ask(self, sql: str, parameters: Mapping[str, Any]) -> Asked:
        """The answer to one question in SQL that changes nothing, with the parameters that it names (`:group`)."""
        with self._database.reading() as connection:
            return questions.ask(connection, sql, parameters)

    def sheets(self, group: str) -> Iterator[exporting.Sheet]:
        """Every table and view, cut down to what belongs to a group."""
        with self._database.reading() as connection:
            yield from exporting.sheets(connection, group)

    # ---- writing what was read

    def _index(
        self, place: Path, read: Callable[[Path], Found], write: Callable[[sqlite3.Connection, Found], None]
    ) -> bool:
        name = self._below(place)
        try:
            mark = indexing.signature(place)
            with self._database.reading() as connection:
                known = connection.execute("select signature from indexed_folder where folder = ?", [name]).fetchone()
            if known and known[0] == mark:
                return False
            found = read(place)  # before the transaction: others must not wait for the disk
            with self._database.writing() as connection:
                write(connection, found)
                indexing.put(connection, "indexed_folder", [{"folder": name, "signature": mark}])
        except (*_FOREIGN, *_UNFIT) as error:
            raise DataError(f"{place}: cannot be indexed ({type(error).__name__}: {error})") from error
        return True

    def _put(self, connection: sqlite3.Connection, tables: Tables) -> None:
        for table, rows in tables.items():
            placed = [row | {"folder": self._below(row["folder"])} if "folder" in row else row for row in rows]
            indexing.put(connection, table, placed)

    def _put_run(self, connection: sqlite3.Connection, tables: Tables) -> None:
        for table in ("training_metric", "run_table"):
            connection.execute(f"delete from {table} where run = ?", [tables["run"][0]["key"]])
        self._put(connection, tables)

    def _put_report(self, connection: sqlite3.Connection, path: Path, tables: Tables) -> None:
        for table in reports.REPORT_TABLES:
            connection.execute(f"delete from {table} where group_name = ?", [reports.group_of(path)])
        self._put(connection, tables)

    def _put_field_test(self, connection: sqlite3.Connection, tables: Tables) -> None:
        names = {row["field_test"] for row in tables["field_results"]}
        connection.executemany("delete from field_results where field_test = ?", [(name,) for name in names])
        self._put(connection, tables)

    def _put_answers(self, connection: sqlite3.Connection, tables: Tables) -> None:
        whose = [tables["answer_set"][0][name] for name in ("subject", "answers_key")]
        connection.execute("delete from answer where subject = ? and answers_key = ?", whose)
        self._put(connection, tables)

    def _put_evaluation(self, connection: sqlite3.Connection, found: indexing.Scored) -> None:
        for table in ("score", "column_values", "detail"):
            whose = [found.subject, found.measure]
            connection.execute(f"delete from {table} where subject = ? and measure = ?", whose)
        self._put(connection, found.tables)
        indexing.write_columns(connection, found)

    def _below(self, place: Path | str) -> str:
        """Relative to outputs/, which may be moved as a whole."""
        return Path(os.path.relpath(place, self.outputs)).as_posix()
