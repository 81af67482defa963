"""The engine: scores and texts do not depend on the batch, adapters leave no trace, and no text loses its end."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from finetune_lab.inference.engine import Engine
from finetune_lab.inference.hidden import POOLS, pooled_states
from finetune_lab.inference.sampling import RowSampler
from finetune_lab.records import Answer, Decoding, Nll, Sample, Tokens

VOCABULARY = 61
GREEDY = Decoding(max_new_tokens=12)


def small_module() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()


def small_engine(module: Any, *, rows: int, tokens: int = 10_000) -> Engine:
    return Engine(module=module, chat=None, device="cpu", max_batch_rows=rows, max_batch_tokens=tokens)  # type: ignore[arg-type]


def some_rows() -> list[Tokens]:
    random = Random(0)
    rows = []
    for number in range(17):
        length = random.randint(2, 40)
        ids = tuple(random.randrange(VOCABULARY) for _ in range(length))
        rows.append(Tokens(sample=f"s{number}", ids=ids, targets=tuple(random.random() < 0.6 for _ in ids)))
    return rows


def plain_nll(module: Any, row: Tokens) -> Nll:
    """The full computation in float64, row by row."""
    wide = copy.deepcopy(module).double()
    with torch.no_grad():
        logs = wide(input_ids=torch.tensor([row.ids])).logits[0].log_softmax(-1)
    places = [place for place in range(1, len(row.ids)) if row.targets[place]]
    total = -sum(float(logs[place - 1, row.ids[place]]) for place in places)
    return Nll(sample=row.sample, sum_nats=total, num_tokens=len(places))


# Scoring


@pytest.mark.parametrize(("rows", "tokens"), [(1, 10_000), (5, 10_000), (64, 10_000), (64, 90)])
def test_nll_is_the_plain_computation_in_any_batch(rows: int, tokens: int) -> None:
    module = small_module()
    expected = [plain_nll(module, row) for row in some_rows()]
    got = small_engine(module, rows=rows, tokens=tokens).nll(some_rows())
    assert [nll.sample for nll in got] == [nll.sample for nll in expected]
    assert [nll.num_tokens for nll in got] == [nll.num_tokens for nll in expected]
    for one, other in zip(got, expected, strict=True):
        assert one.sum_nats == pytest.approx(other.sum_nats, rel=2e-6, abs=1e-5)


def test_scores_do_not_depend_on_the_threads() -> None:
    before, found = torch.get_num_threads(), []
    engine = small_engine(small_module(), rows=4)
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(engine.nll(some_rows()))
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert (one.sample, one.num_tokens) == (other.sample, other.num_tokens)
            assert one.sum_nats == pytest.approx(other.sum_nats, rel=2e-6, abs=1e-5)


def test_rows_without_a_target_score_nothing() -> None:
    engine = small_engine(small_module(), rows=8)
    silent = Tokens(sample="silent", ids=(3, 4, 5), targets=(True, False, False))  # a first token has no prediction
    single = Tokens(sample="single", ids=(3,), targets=(True,))
    spoken = Tokens(sample="spoken", ids=(3, 4), targets=(False, True))
    nothing = [Nll(sample="silent", sum_nats=0.0, num_tokens=0), Nll(sample="single", sum_nats=0.0, num_tokens=0)]
    assert engine.nll([silent, single]) == nothing
    assert engine.nll([silent, spoken, single])[1].num_tokens == 1
    assert engine.nll([]) == []


@pytest.mark.parametrize("pool", POOLS)
def test_pooled_states_are_those_of_every_layer_in_any_batch(pool: str) -> None:
    module, rows = small_module(), [row.ids for row in some_rows()[:6]]
    found = pooled_states(module, rows, "cpu", POOLS[pool])
    for number, ids in enumerate(rows):
        with torch.no_grad():
            layers = module(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
        expected = torch.stack([layer[0].mean(0) if pool == "mean" else layer[0, -1] for layer in layers])
        torch.testing.assert_close(found[number], expected, rtol=1e-4, atol=1e-5)


# Writing

SAID = [
    "Hi.",
    "Who has the red cup?",
    "Plan two days in Netherby for three people. Answer in JSON.",
    "Count from one to ten and back again, please.",
    "Tell me a story about a miller who lost a key in the yard.",
    "yes",
    "What is 3 plus 4?",
    "A list of words: door, lamp, rope, boat, pear, hat, mill, horse. Repeat them.",
]
PROMPTS = {f"p{number}": [{"role": "user", "content": text}] for number, text in enumerate(SAID)}


def texts(engine: Engine, decoding: Decoding, prompts: dict[str, Any] = PROMPTS) -> dict[str, Answer]:
    answers = list(engine.generate(prompts, decoding))
    found = {answer.sample: answer for answer in answers}
    assert len(answers) == len(found) == len(prompts)
    return found


@pytest.fixture(params=["none", "nf4"])
def engine(request: Any, tiny_engine: Callable[[str], Engine]) -> Iterator[Engine]:
    made = tiny_engine(request.param)
    before = made.batcher.max_rows
    made.batcher.max_rows = 8
    yield made
    made.batcher.max_rows = before


def test_greedy_text_does_not_depend_on_the_batch(engine: Engine) -> None:
    together = texts(engine, GREEDY)
    engine.batcher.max_rows = 1
    assert texts(engine, GREEDY) == together
    assert len({answer.text for answer in together.values()}) > 4  # not one and the same for all


def test_sampled_text_depends_on_seed_and_row_alone(engine: Engine) -> None:
    decoding = Decoding(max_new_tokens=8, temperature=0.9, top_p=0.95, top_k=50, seed=3)
    together = texts(engine, decoding)
    assert texts(engine, decoding, dict(reversed(PROMPTS.items()))) == together
    assert texts(engine, decoding, {"p3": PROMPTS["p3"]})["p3"] == together["p3"]
    engine.batcher.max_rows = 3
    assert texts(engine, decoding) == together
    other = texts(engine, Decoding(max_new_tokens=8, temperature=0.9, top_p=0.95, top_k=50, seed=4))
    assert sum(other[name].text != together[name].text for name in PROMPTS) >= 6


def test_what_is_forbidden_is_not_written(tiny_engine: Callable[[str], Engine]) -> None:
    engine = tiny_engine("none")
    answer = texts(engine, Decoding(max_new_tokens=24, no_repeat_ngram=1), {"p": PROMPTS["p4"]})["p"]
    ids = engine.chat.tokenizer(answer.text, add_special_tokens=False)["input_ids"]
    assert len(set(ids)) == len(ids)


def scripted(
    engine: Engine, monkeypatch: Any, written: Callable[[list[int]], list[int]], *, most: int = 99
) -> list[int]:
    """Let the module write `written(prompt)`, out of memory above `most` rows; gives the sizes of what it was asked."""
    asked: list[int] = []

    def generate(*, input_ids: Any, attention_mask: Any, **_: Any) -> Any:
        asked.append(len(input_ids))
        if len(input_ids) > most:
            raise torch.OutOfMemoryError("too much")
        pairs = zip(input_ids.tolist(), attention_mask.tolist(), strict=True)
        tails = [written([token for token, kept in zip(row, mask, strict=True) if kept]) for row, mask in pairs]
        return torch.cat([input_ids, torch.tensor(tails)], dim=1)

    monkeypatch.setattr(engine.module, "generate", generate, raising=False)
    return asked


def test_an_answer_knows_how_it_ended(tiny_engine: Callable[[str], Engine], monkeypatch: Any) -> None:
    engine = tiny_engine("none")
    tokenizer = engine.chat.tokenizer
    (end,) = engine.chat.end_tokens
    word, pad = tokenizer("word", add_special_tokens=False)["input_ids"][0], tokenizer.pad_token_id
    tails = {
        "cut": [word] * 4,
        "ended": [word, end, pad, pad],
        "at the limit": [word] * 3 + [end],
        "empty": [end] + [pad] * 3,
    }
    lengths = iter(tails.values())
    by_prompt = {name: [{"role": "user", "content": "x" * (9 - n)}] for n, name in enumerate(tails)}  # long ones first
    scripted(engine, monkeypatch, lambda _: next(lengths))
    found = texts(engine, Decoding(max_new_tokens=4), by_prompt)
    assert {name: (a.finish, a.num_tokens) for name, a in found.items()} == {
        "cut": ("length", 4),
        "ended": ("end", 1),
        "at the limit": ("end", 3),
        "empty": ("end", 0),
    }
    assert found["empty"].text == ""
    assert found["ended"].text == tokenizer.decode([word])
    assert found["cut"].num_prompt_tokens == len(engine.chat.prompt(by_prompt["cut"]))


def test_batches_halve_until_they_fit(engine: Engine, monkeypatch: Any) -> None:
    ids = {tuple(engine.chat.prompt(turns)): name for name, turns in PROMPTS.items()}
    named = {name: number for number, name in enumerate(PROMPTS)}
    asked = scripted(engine, monkeypatch, lambda prompt: [20 + named[ids[tuple(prompt)]]], most=3)
    many = PROMPTS | {f"again {name}": turns for name, turns in PROMPTS.items()}
    found = texts(engine, Decoding(max_new_tokens=1), many)
    for name, number in named.items():  # every answer belongs to its own prompt
        assert found[name].text == engine.chat.decode([20 + number]) == found[f"again {name}"].text
    assert asked[:3] == [8, 4, 2]
    assert max(asked[3:]) <= 3, "a size that did not fit is not tried again"
    assert sum(size for size in asked if size <= 3) == len(many)


def test_memory_that_is_too_small_for_one_row_is_told(engine: Engine, monkeypatch: Any) -> None:
    asked = scripted(engine, monkeypatch, lambda _: [20], most=0)
    with pytest.raises(torch.OutOfMemoryError):
        texts(engine, Decoding(max_new_tokens=1))
    assert asked == [8, 4, 2, 1]


def test_the_failed_attempt_is_let_go_before_the_next(engine: Engine, monkeypatch: Any) -> None:
    """What did not fit must not lie in memory while the half is tried."""
    import gc
    import weakref

    held: list[Any] = []

    class Large:
        pass

    def generate(*, input_ids: Any, **_: Any) -> Any:
        assert not any(gone() for gone in held), "still in memory"
        if len(input_ids) > 2:
            large = Large()
            held.append(weakref.ref(large))
            raise torch.OutOfMemoryError("too much")
        return torch.cat([input_ids, torch.full((len(input_ids), 1), 20)], dim=1)

    monkeypatch.setattr(engine.module, "generate", generate, raising=False)
    gc.disable()
    try:
        texts(engine, Decoding(max_new_tokens=1))
    finally:
        gc.enable()
    assert len(held) == 2  # 8 and 4 did not fit


# Drawing


def draws(logits: list[float], num: int, **options: Any) -> Counter[int]:
    decoding = Decoding(max_new_tokens=1, **options)
    names = [f"row {number}" for number in range(num)]
    scores = torch.tensor(logits).repeat(num, 1)
    return Counter(
        RowSampler(decoding, names, "cpu")(torch.zeros(num, 1, dtype=torch.long), scores).argmax(-1).tolist()
    )


def test_draws_follow_the_softmax() -> None:
    logits, num = [2.0, 1.0, 0.0, -1.0, -2.0], 4000
    for temperature in (1.0, 0.5):
        shares = torch.tensor(logits).div(temperature).softmax(0).tolist()
        counts = draws(logits, num, temperature=temperature, seed=1)
        chi_square = sum((counts[n] - num * share) ** 2 / (num * share) for n, share in enumerate(shares))
        assert chi_square < 18.5  # 4 degrees of freedom: p = 0.001


def test_top_k_and_top_p_cut_the_tail() -> None:
    logits = [2.0, 1.0, 0.0, -1.0, -2.0]
    assert set(draws(logits, 500, temperature=5.0, top_k=2)) == {0, 1}
    assert set(draws(logits, 500, temperature=1.0, top_p=0.8)) == {0, 1}  # 0.64 + 0.23
    assert len(draws(logits, 500, temperature=5.0)) == 5


# Adapters


def trace(module: Any) -> dict[str, bytes]:
    """Every weight and buffer as bytes, and every layer's class."""
    found = {name: type(layer).__name__.encode() for name, layer in module.named_modules()}
    weights = [*module.named_parameters(remove_duplicate=False), *module.named_buffers()]
    return found | {f"{n}:": w.detach().contiguous().view(torch.uint8).numpy().tobytes() for n, w in weights}


@pytest.fixture
def adapter(engine: Engine, tmp_path: Path) -> Path:
    """An adapter that changes every layer, on disk."""
    model = get_peft_model(engine.module, LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"]))
    torch.manual_seed(5)
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(tmp_path / "adapter")
    model.unload()
    engine.module.requires_grad_(False)
    return tmp_path / "adapter"


def test_an_adapter_leaves_no_trace(engine: Engine, adapter: Path) -> None:
    rows = [engine.chat.document(Sample.of(text=text)) for text in SAID]
    before, base = trace(engine.module), engine.nll(rows)
    with engine.as_base() as bare:
        assert bare.nll(rows) == base
    with engine.with_adapter(adapter) as tuned:
        changed = tuned.nll(rows)
        with engine.with_adapter(adapter):  # the same one again, further in
            assert engine.nll(rows) == changed
        assert engine.nll(rows) == changed
        with pytest.raises(AssertionError, match="another adapter"), engine.with_adapter(adapter / "other"):
            pass
        with pytest.raises(AssertionError, match="still switched on"), engine.as_base():
            pass
    assert all(abs(a.sum_nats - b.sum_nats) > 1e-3 for a, b in zip(base, changed, strict=True))
    assert trace(engine.module) == before
    assert engine.nll(rows) == base
    with pytest.raises(KeyError), engine.with_adapter(adapter):
        raise KeyError
    assert trace(engine.module) == before
    assert engine.nll(rows) == base
    with engine.with_adapter(adapter):
        assert engine.nll(rows) == changed
