"""The promise of the layout: many runs stay small and are read quickly."""

import random
import time

from finetune_lab.store.migrations import MIGRATIONS, schema_page, version

NUM_RUNS, NUM_SAMPLES, NUM_COLUMNS = 10, 1000, 10


def test_many_columns_are_read_in_well_under_a_second(outputs, store):
    samples = tuple(f"{number:016x}" for number in range(NUM_SAMPLES))
    draw = random.Random(0)
    for number in range(NUM_RUNS):
        columns = {f"c{column}": [draw.random() for _ in samples] for column in range(NUM_COLUMNS)}
        found = outputs.found(samples=samples, columns=columns, details=())
        store.index_evaluation(outputs.evaluation(f"run{number}", found=found))
    started = time.process_time()
    read = [store.columns(f"run{number}", "m1") for number in range(NUM_RUNS)]
    seconds = time.process_time() - started
    assert all(len(one.columns) == NUM_COLUMNS for one in read)
    assert seconds * 200 / NUM_RUNS < 2  # 0.3 measured for 200 runs; of processor time, since others may be busy
    store.close()
    assert store.path.stat().st_size < NUM_RUNS * NUM_SAMPLES * NUM_COLUMNS * 24


def test_the_page_in_docs_shows_the_schema_that_is(request):
    page = request.config.rootpath / "docs" / "store.md"
    assert page.read_text(encoding="utf-8") == schema_page(), (
        "write it again: finetune_lab.store.migrations.schema_page"
    )


def test_the_schema_counts_its_migrations(outputs, store):
    store.index_run(outputs.run())
    with store._database.reading() as connection:
        assert version(connection) == len(MIGRATIONS)


def test_the_query_in_the_docs_works(outputs, store):
    store.index_evaluation(outputs.evaluation())
    store.index_evaluation(outputs.evaluation("base-b", found=outputs.found(columns={"nll": [1.0, 1.0, 1.0]})))
    query = schema_page().split("```sql")[1].split("```")[0]
    query = query.replace("<run key>", "aaa111").replace("<base key>", "base-b")
    with store._database.reading() as connection:
        assert connection.execute(query).fetchall() == [("s0", 0.5), ("s2", -0.9), ("s1", None)]
