"""A report at a tracker: the same tables and charts, and the files of runs in versions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune_lab.reporting.publishing import keep_files


class Recorder:
    """A tracker that writes down what it is given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def check(self) -> None:
        pass

    def session(self, card: Any, folder: Path) -> "Recorder":
        self.calls.append(("session", card.key, folder))
        return self

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self.calls.append((name, *given))


def test_sync_sends_what_the_task_sent(study: Path, compose_line: Any, page_of: Any) -> None:
    price = 'task{}.prices.machine_hours=[{{machine: "*EPYC*", price: 0.4}}]'
    lab, report = compose_line("task=report", "group=study", price.format(""), outputs=study)
    first, again = Recorder(), Recorder()
    report.execute(replace(lab, tracker=first))
    lab, sync = compose_line("task=sync", "group=study", price.format(".report"), outputs=study)
    sync.execute(replace(lab, tracker=again))
    sent = [call for call in first.calls if call[0] in ("table", "chart", "page", "files")]
    later = again.calls[max(place for place, call in enumerate(again.calls) if call[0] == "session") + 1 :]
    assert [call[:2] for call in sent] == [call[:2] for call in later]
    assert {call[0] for call in sent} == {"table", "chart", "page", "files"}
    tables = {call[1]: call for call in sent if call[0] == "table"}
    assert len(tables) > 15
    assert list(tables["report/scores"][2])[:3] == ["arm", "metric", "value"]
    bars = next(call for call in sent if call[1] == "report/Differences with their intervals, schema/schema_valid")
    assert bars[2] == ("arm", "difference")
    _, name, kind, paths = next(call for call in sent if call[0] == "files")
    assert (name, kind, [path.name for path in paths]) == ("report-study", "report", ["report.html", "report.md"])
    keys = [call[1] for call in again.calls if call[0] == "session"]
    assert len(keys) == len(set(keys)) == 7  # six runs and the group's own


def test_adapter_and_data_card_are_kept(study: Path, compose_line: Any) -> None:
    adapter = study / "runs" / "lora-tiny-lora0" / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (study / "data" / "guide-d1" / "data_card.md").write_text("# guide")
    lab, _ = compose_line("group=study", outputs=study)
    session: Any = Recorder()
    keep_files(lab.store, study, "lora0", session)
    assert [(name, kind, [path.name for path in paths]) for _, name, kind, paths in session.calls] == [
        ("adapter-lora0", "adapter", ["adapter_config.json"]),
        ("data-guide", "data_card", ["data_card.md"]),
    ]
