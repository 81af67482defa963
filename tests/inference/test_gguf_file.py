"""A GGUF file holds the model: read by Transformers and, where it is installed, by llama.cpp."""

import pytest
import torch

from finetune_lab.errors import ConfigError
from finetune_lab.inference.gguf_file import check_writable, neighbours, read_gguf, write_gguf
from finetune_lab.inference.merging import plain_copy
from finetune_lab.records import Decoding

pytest.importorskip("gguf")
CLOSE = 1e-3  # of the two best logits: nearer than that, rounding may turn them


@pytest.fixture(scope="module")
def engine(tiny_engine):
    return tiny_engine("none")


@pytest.fixture(scope="module")
def file(engine, tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    write_gguf(plain_copy(engine), engine.chat, path, "f32")
    return path


@pytest.fixture(scope="module")
def asked():
    subjects = (
        "boats",
        "crows",
        "lanterns",
        "letters",
        "a garden",
        "the baker",
        "two clocks",
        "a storm",
        "bread",
        "Nora",
    )
    forms = ("Tell me a story about {}.", "Write a letter about {}.")
    return [[{"role": "user", "content": form.format(subject)}] for form in forms for subject in subjects]


def test_transformers_reads_the_same_weights(engine, file):
    module = read_gguf(file)
    ids = torch.tensor([[0, 3, 50, 60, 70, 80]])
    with torch.no_grad():
        torch.testing.assert_close(module(input_ids=ids).logits, engine.module(input_ids=ids).logits)


def test_transformers_reads_the_same_tokenizer(engine, file, asked):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    for turns in asked:
        text = engine.chat.render(turns, answering=True)
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == engine.chat.prompt(turns)


def test_rows_stand_in_pairs():
    weight = torch.arange(16.0)[:, None].repeat(1, 3)
    assert neighbours(weight, 2)[:, 0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]


def test_other_models_are_refused_with_the_way_out(engine):
    other = plain_copy(engine)
    other.config.model_type = "phi3"
    with pytest.raises(ConfigError, match=r"phi3.*convert_hf_to_gguf\.py"):
        check_writable(other)


def test_llama_cpp_writes_the_same_greedy_texts(engine, file, asked):
    """The same text for 20 prompts, or the first difference where the two best logits are as good as equal."""
    llama_cpp = pytest.importorskip("llama_cpp")
    from finetune_lab.backend.llama_cpp import LlamaCpp
    from finetune_lab.inference.backends import Served

    backend = LlamaCpp(file=file, context_tokens=512, cache="f32", threads=1, gpu_layers=0)
    decoding = Decoding(max_new_tokens=48)
    served = Served(load=lambda: engine.as_base(), chat=lambda: engine.chat, gguf=lambda: file)
    prompts = {str(number): turns for number, turns in enumerate(asked)}
    with backend.open(served, type("Runtime", (), {"threads": 1})) as opened:
        theirs = {answer.sample: answer.text for answer in opened.generate(prompts, decoding, at_once=1)}
        for turns in asked:  # its own tokenizer, from the file
            text = engine.chat.render(turns, answering=True).encode()
            assert opened.model.tokenize(text, add_bos=False, special=True) == engine.chat.prompt(turns)
    ours = {name: next(iter(engine.generate({name: turns}, decoding))).text for name, turns in prompts.items()}
    assert llama_cpp.__version__
    for name in prompts:
        if theirs[name] != ours[name]:
            assert margin(engine, prompts[name], ours[name], theirs[name]) < CLOSE
    assert sum(theirs[name] == ours[name] for name in prompts) >= len(prompts) // 2


def margin(engine, turns, ours, theirs):
    """How far the two best logits lie apart where the texts part."""
    coded = [engine.chat.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (ours, theirs)]
    common = next(n for n, (one, other) in enumerate(zip(*coded, strict=False)) if one != other)
    ids = torch.tensor([[*engine.chat.prompt(turns), *coded[0][:common]]])
    with torch.no_grad():
        best = engine.module(input_ids=ids).logits[0, -1].topk(2).values
    return float(best[0] - best[1])
