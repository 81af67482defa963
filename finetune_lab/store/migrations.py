"""The schema of the store, as migrations that are only ever appended to."""

import sqlite3

from finetune_lab.errors import LabError
from finetune_lab.store.field_tests import FIELD
from finetune_lab.store.found_views import FOUND
from finetune_lab.store.group_views import GROUPS
from finetune_lab.store.views import REPORTS

# The SQL of a table is its documentation: SQLite keeps these comments, and docs/store.md shows them.
_FIRST = (
    """create table run (
    key text primary key,            -- names model, data, method and seed
    base text not null,              -- the subject that the run is compared with
    group_name text not null,        -- the group that it was started in; it may be a member of others
    label text not null,             -- for people
    model text not null,
    data text not null,
    method text not null,
    seed integer not null,
    data_key text,                   -- dataset.key, once the run is done
    status text not null check (status in ('planned', 'running', 'done', 'failed')),
    started text,                    -- ISO 8601
    finished text,
    error text,                      -- why it failed
    report text not null,            -- JSON: the training report; {} before the end
    config text not null,            -- JSON
    folder text not null             -- below outputs/
)""",
    """create table member (
    group_name text not null,
    run text not null,               -- equal to base for a member that is the base alone
    base text not null,
    label text not null,
    model text not null,
    measures text not null,          -- JSON: evaluator -> measure key
    joined text,                     -- ISO 8601
    primary key (group_name, run)
) without rowid""",
    """create table training_metric (
    run text not null,
    name text not null,              -- train/loss, validation/loss, …
    step integer not null,
    value real,                      -- null: it was not a finite number
    time real not null,              -- seconds since 1970
    primary key (run, name, step)
) without rowid""",
    """create table measure (
    measure text primary key,        -- names an evaluator and the rows that it scores
    evaluator text not null
)""",
    """create table measure_sample (
    measure text not null,
    position integer not null,       -- of the sample in column_values.array, from 0
    sample text not null,
    cluster text not null,           -- samples of one cluster are resampled together
    primary key (measure, position)
) without rowid""",
    """create table evaluation (
    subject text not null,           -- the key of a run, or of a base
    measure text not null,
    evaluator text not null,
    counts text not null,            -- JSON: what is shown beside the scores
    files text not null,             -- JSON: names in the folder
    seconds real,
    folder text not null,
    primary key (subject, measure)
)""",
    """create table score (
    subject text not null,
    measure text not null,
    evaluator text not null,
    name text not null,
    value real,                      -- null: nothing could be scored
    higher_is_better integer not null,
    unit text not null,
    statistic text not null,         -- JSON: how the value follows from the columns
    position integer not null,       -- the evaluator's own order
    primary key (subject, measure, name)
)""",
    """create table column_values (
    subject text not null,
    measure text not null,
    name text not null,
    array text not null,             -- JSON: one number a sample in the order of measure_sample; null: unscored
    primary key (subject, measure, name)
)""",
    """create view sample_scores as      -- one row a number; cross: so that an array is parsed once
select c.subject, c.measure, m.evaluator, s.sample, s.cluster, c.name, e.value
from column_values c
join measure m on m.measure = c.measure
cross join json_each(c.array) e
cross join measure_sample s on s.measure = c.measure and s.position = e.key""",
    """create table detail (
    subject text not null,
    measure text not null,
    sample text not null,
    json text not null,              -- what an evaluator has to say about the sample
    primary key (subject, measure, sample)
)""",
    """create table dataset (
    key text primary key,
    name text not null,
    splits text not null,            -- JSON: split -> {rows, digest}
    dropped text not null,           -- JSON: reason -> rows
    note text not null,              -- JSON: the whole note
    folder text not null
)""",
    """create table sample (
    id text primary key,             -- the digest of the content
    messages text not null,          -- JSON
    text text,                       -- null where messages hold the content
    facts text not null              -- JSON
)""",
    """create table answer_set (
    subject text not null,
    answers_key text not null,       -- names prompts, template and decoding
    decoding text not null,          -- JSON
    seconds real,
    folder text not null,
    primary key (subject, answers_key)
)""",
    """create table answer (
    subject text not null,
    answers_key text not null,
    sample text not null,
    text text not null,
    num_prompt_tokens integer not null,
    num_tokens integer not null,
    finish text not null,            -- end, or length: cut at the limit
    primary key (subject, answers_key, sample)
)""",
    """create table indexed_folder (      -- what has been read, so that an unchanged folder is not read again
    folder text primary key,
    signature text not null          -- names, sizes and times of its files
) without rowid""",
)

# `reference`: of a contrast, the artifact that the subject was set against; null for a subject scored alone
_CONTRASTS = ("alter table evaluation add column reference text",)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, REPORTS, _CONTRASTS, FOUND, GROUPS, FIELD)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to the newest schema, in one transaction; nothing happens to one that is there already.

    Safe when several processes do it at once. Raises LabError for a database that a newer release has written.
    """
    connection.execute("begin immediate")
    try:
        for number in range(version(connection), len(MIGRATIONS)):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            connection.execute(f"pragma user_version = {number + 1}")  # takes no bound value; it is our own number
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def version(connection: sqlite3.Connection) -> int:
    """How many migrations a database has seen. Raises LabError when they are more than this release knows."""
    found = int(connection.execute("pragma user_version").fetchone()[0])
    if found > len(MIGRATIONS):
        known = len(MIGRATIONS)
        raise LabError(f"the store has schema {found}, this release knows {known}: update it, or run task=reindex")
    return found


def schema_page() -> str:
    """The tables and views as a page of Markdown (docs/store.md), from a database that has seen every migration."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    rows = connection.execute("select sql from sqlite_master where sql is not null order by rowid").fetchall()
    connection.close()
    return _PAGE.format(version=len(MIGRATIONS), schema=";\n\n".join(row[0] for row in rows))


_PAGE = """# The store

`outputs/lab.sqlite` is an index of the folders below `outputs/`: it can be deleted, and `task=reindex` makes it again.
Any SQLite client may read it while runs are going on (write-ahead log). It belongs on a local disk: SQLite's
write-ahead log does not work over a network file system.

Per-sample numbers are kept as one JSON array for each subject, measure and column, and the samples that they belong to
once for each measure. The view `sample_scores` explodes them, so nobody needs to know:

```sql
-- the ten samples where a run lost most against its base
with tuned as materialized (select * from sample_scores where subject = '<run key>' and name = 'nll'),
     base as materialized (select * from sample_scores where subject = '<base key>' and name = 'nll')
select sample, tuned.value - base.value as change
from tuned join base using (measure, sample)
order by change desc limit 10;
```

## In a browser

```
pip install 'finetune-lab[browse]'
datasette serve --immutable outputs/lab.sqlite
```

opens every table and view at http://127.0.0.1:8001, with filters, facets, a box for SQL and downloads as CSV and JSON.
`--immutable` opens the file for reading alone and is right once runs have ended; while they go on, leave it out and
give the file's name alone: Datasette then still writes nothing to it. The questions of a report (`task=report`) run
there as they stand in its last section, with the values of `:group` and the others in the boxes that appear.

## Schema

The schema, after {version} migration(s):

```sql
{schema};
```
"""
