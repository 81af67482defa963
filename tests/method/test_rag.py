"""Retrieval: an artifact like any other, the same for every seed, known by what changes its answers."""

import json
import shutil
from contextlib import ExitStack
from dataclasses import replace

import pytest

from finetune_lab.errors import ConfigError, DataError, WorldError
from finetune_lab.inference.trained import Bare, adapter_folder, opened
from finetune_lab.model.tiny import Tiny
from finetune_lab.once import read_note
from finetune_lab.opening import open_run
from finetune_lab.records import Answer, Decoding

ASSISTANT, END = 2, 4  # control tokens of the fake chat
LINE = (
    "method=rag",
    "data.max_rows=40",
    "data.split={train:0.6,validation:0.2,test:0.2,seed:42}",
    "model.quantization=none",
    "decoding.max_new_tokens=24",
    "eval=[perplexity,schema]",
    "eval.perplexity.rows.max_rows=3",
    "eval.schema.rows.max_rows=3",
    "runtime.device=cpu",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("retrieval")


@pytest.fixture
def done(execute, place):
    """A run of the whole line; its folder is made once for all tests."""
    return execute(*LINE, outputs=place)


def test_base_and_retrieval_stand_in_one_table(done, execute, place, capsys):
    base, own = (
        {(s.evaluator, s.name): s.value for s in done.store.scores([key])} for key in (done.base.key, done.artifact.key)
    )
    assert own["perplexity", "perplexity"] != base["perplexity", "perplexity"]
    assert set(own) == set(base)
    report = read_note(done.artifact.place)["report"]
    assert (report["num_steps"], report["extra"]["retrieval"]["examples"]) == (0, len(done.split("train")))
    assert report["adapter_bytes"] == report["extra"]["retrieval"]["bytes"]
    capsys.readouterr()
    execute("task=compare", outputs=place)
    shown = capsys.readouterr().out
    assert "base → rag" in shown
    assert "perplexity" in shown


def test_answers_follow_from_the_longer_prompt(done):
    rows = done.split("test")[:3]
    decoding = Decoding(max_new_tokens=24)
    for plain, own in zip(
        done.answers(done.base, rows, decoding), done.answers(done.artifact, rows, decoding), strict=True
    ):
        assert own.num_prompt_tokens > plain.num_prompt_tokens + 200
    row = rows[0]
    with done.using(done.artifact) as model:
        (nll,) = model.nll([model.chat.conversation(row)])
        alone = done.language_model.chat.conversation(row)
        assert nll.num_tokens == sum(alone.targets)


def test_streamed_and_opened_by_key_it_says_the_same(done, place):
    row = done.split("test")[0]
    (due,) = done.answers(done.artifact, (row,), Decoding(max_new_tokens=24))
    with open_run(done.artifact.key, outputs=place) as run:
        assert run.generate(row.prompt, max_new_tokens=24).text == due.text


def test_a_conversation_at_the_terminal_sees_the_examples(done, execute, place, monkeypatch, capsys):
    row = done.split("test")[0]
    (due,) = done.answers(done.artifact, (row,), Decoding(max_new_tokens=24))
    said = iter([row.prompt[-1]["content"]])
    monkeypatch.setattr("finetune_lab.task.chat._lines", lambda: said)
    execute(*LINE, "task=chat", outputs=place)
    assert due.text.strip()[:20] in capsys.readouterr().out


def test_it_is_made_by_task_evaluate_and_used_by_task_generate(execute, place, tmp_path):
    execute(*LINE, "task=evaluate", outputs=tmp_path)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("Plan one day in Netherby. The theme is birds. Answer in JSON.\n")
    execute(
        *LINE, "task=generate", f"task.prompts={prompts}", f"task.output={tmp_path / 'said.jsonl'}", outputs=tmp_path
    )
    (line,) = (tmp_path / "said.jsonl").read_text().splitlines()
    assert json.loads(line)["model"] == "rag"


def test_every_seed_gives_the_same_files(lab, tmp_path, place, done):
    other = lab(*LINE, "seed=1", outputs=tmp_path)
    other.train(None)
    for name in ("vectors.safetensors", "directions.safetensors", "examples.jsonl", "words.json", "retrieval.json"):
        assert (other.artifact.place / name).read_bytes() == (done.artifact.place / name).read_bytes()


def test_its_identity_is_what_changes_the_answers(lab, tmp_path):
    key = lab(*LINE).artifact.key
    assert lab(*LINE, "method.search=numpy").artifact.key == key
    for change in ("num_examples=3", "budget_tokens=99", "least_similarity=0.5", "order=nearest_first", "width=9"):
        assert lab(*LINE, f"method.{change}").artifact.key != key
    for name, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "modules.json").write_text("[]")
        (tmp_path / name / "model.safetensors").write_bytes(weights)
    pytest.importorskip("sentence_transformers")
    one, same, other = (lab(*LINE, f"method.embedder={tmp_path / name}").artifact.key for name in "abc")
    assert one == same
    assert len({key, one, other}) == 3


def test_an_index_of_other_settings_is_refused(done, tmp_path):
    folder = shutil.copytree(done.artifact.place, tmp_path / "copy")
    other = replace(done.method, width=9)
    with pytest.raises(DataError, match="other settings"), other.apply(Bare(), folder):
        pass


def test_data_without_questions_and_an_absent_embedder_are_told(execute, lab, tmp_path):
    (tmp_path / "texts.txt").write_text("one###two###three###four###five###six")
    with pytest.raises(DataError, match=r"none of the .* training rows is a question with its answer"):
        execute(
            "method=rag",
            "data=text",
            f"data.path={tmp_path / 'texts.txt'}",
            "data.separator='###'",
            "data.split={train:0.6,validation:0.2,test:0.2,seed:1}",
            "eval=[]",
            "task=train",
        )
    with pytest.raises(WorldError, match="no sentence-embedding model"):
        lab(*LINE, "method.embedder=/nowhere").method.check(None)


def test_it_is_no_adapter_and_says_so(done, execute, place):
    with opened(done.artifact, Bare()) as found:
        assert found.adapter is None
        assert found.chat is not None
    with pytest.raises(ConfigError, match="leaves its weights as they are, so there is no adapter to export"):
        adapter_folder(done.artifact)
    with pytest.raises(ConfigError, match="no adapter to export"):
        execute(*LINE, "task=export", outputs=place)


def test_it_is_served_beside_the_base(done, compose_line, place):
    from finetune_lab.task.serve import _chats

    row = done.split("test")[0]
    lab, task = compose_line(*LINE, "task=serve", outputs=place)
    assert task._folders(lab) == {"rag": None}
    with ExitStack() as stack:
        chats = _chats(done.language_model, {"rag": None}, lab.artifact, stack)
        (due,) = done.answers(done.artifact, (row,), Decoding(max_new_tokens=24))
        assert len(chats["rag"].prompt(row.prompt)) == due.num_prompt_tokens
        assert chats["rag"].shots.context_tokens == 2048
        assert chats["base"] is done.language_model.chat


@pytest.fixture
def copier(fake_model):
    """A model that repeats the last answer it reads, and knows nothing else: what examples are for, and no more."""

    class Copier(fake_model):
        def generate(self, prompts, decoding):
            for name, turns in prompts.items():
                ids = self.chat.prompt(turns)
                opened = [place for place, token in enumerate(ids) if token == ASSISTANT]
                said = ids[opened[-2] + 1 : ids.index(END, opened[-2])] if len(opened) > 1 else []
                yield Answer(
                    sample=name,
                    text=self.chat.decode(said),
                    num_prompt_tokens=len(ids),
                    num_tokens=len(said),
                    finish="end",
                )

    return Copier


def test_who_can_follow_an_example_beats_the_base_beside_its_latency(execute, copier, monkeypatch, tmp_path, capsys):
    """And all of the gain is copied: the form is met, what was asked is not."""
    monkeypatch.setattr(Tiny, "load", lambda *_: copier())
    line = ("method=rag", "data.max_rows=200", "decoding.max_new_tokens=900", "eval=[schema,latency]", "group=copied")
    line += ("eval.latency.rows.max_rows=4", "eval.schema.rows.split=validation", "method.budget_tokens=5000")
    lab = execute(*line)
    base, own = (
        {(s.evaluator, s.name): s.value for s in lab.store.scores([key])} for key in (lab.base.key, lab.artifact.key)
    )
    assert (base["schema", "schema_valid"], own["schema", "schema_valid"]) == (0, 1)
    assert own["schema", "request_met"] == 0
    assert own["latency", "prompt_tokens"] > base["latency", "prompt_tokens"] + 500
    rows = lab.split("validation")
    answers = lab.answers(lab.artifact, rows, lab.evaluators["schema"].decoding)
    known = {row.reference for row in lab.split("train")}
    assert all(answer.text in known for answer in answers)
    capsys.readouterr()
    execute(*line, "rules=phase0", "task=compare", "task.resamples=99")
    shown = " ".join(capsys.readouterr().out.split())
    assert "decision all, schema/schema_valid: do not fine-tune: examples before the question do it" in shown
    assert "first_token" in shown
