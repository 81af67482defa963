"""What many tests share: an experiment composed as the command line does it, the public files, and a fake model."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

# before anything imports them: no test touches the network, and nobody wants their warnings
os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "WANDB_MODE": "disabled"}
os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from finetune_lab.lab import Lab
from finetune_lab.protocols import Task
from finetune_lab.records import Answer, Decoding, Message, Nll, Sample, Tokens

ROOT = Path(__file__).resolve().parent.parent
REALDATA = Path(os.environ.get("FINETUNE_LAB_REALDATA", ROOT.parent / "shared" / "data"))
Compose = Callable[..., Lab]


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder with the public files (docs/realdata.md)."""
    if not REALDATA.is_dir():
        pytest.skip(f"the public files are not at {REALDATA}; set FINETUNE_LAB_REALDATA (docs/realdata.md)")
    return REALDATA


def composed(*overrides: str, outputs: Path) -> tuple[Lab, Task]:
    """The experiment and the task of a command line, with folders of the test's own and no tracker."""
    # one thread: small matrices gain nothing from two, and busy cores make them wait for one another
    own = [f"outputs={outputs}", "tracker=none", "runtime.progress=off", "runtime.threads=1"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=[*own, *overrides], return_hydra_config=True)
    choices = {str(group): str(choice) for group, choice in config.hydra.runtime.choices.items()}
    with open_dict(config):
        del config["hydra"]
    OmegaConf.resolve(config)
    return Lab.from_config(config, choices)


@pytest.fixture(scope="session")
def compose_line() -> Callable[..., tuple[Lab, Task]]:
    """Make lab and task of a command line: `compose_line("task=compare", outputs=folder)`."""
    return composed


@pytest.fixture(scope="session")
def judge_server() -> Any:
    """The class of a server that answers as a judge model does, and misbehaves where it is told to."""
    found = spec_from_file_location("judge_server", ROOT / "scripts" / "judge_server.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module.JudgeServer


@pytest.fixture
def lab(tmp_path: Path) -> Compose:
    """Make the lab of a command line: `lab("method=lora", "seed=1")`; all labs of a test share one outputs folder."""

    def make(*overrides: str, outputs: Path | None = None) -> Lab:
        return composed(*overrides, outputs=outputs or tmp_path / "outputs")[0]

    return make


@pytest.fixture
def execute(tmp_path: Path) -> Compose:
    """Run a command line's task within this process; gives the lab that it ran on."""

    def run(*overrides: str, outputs: Path | None = None) -> Lab:
        made, task = composed(*overrides, outputs=outputs or tmp_path / "outputs")
        task.execute(made)
        return made

    return run


@pytest.fixture(scope="session")
def tiny_engine() -> Callable[[str], Any]:
    """The embedded model, loaded once for all tests: `tiny_engine("nf4")` or `tiny_engine("none")`."""
    engines: dict[str, Any] = {}

    def load(quantization: str) -> Any:
        if quantization not in engines:
            made, _ = composed(f"model.quantization={quantization}", "runtime.device=cpu", outputs=Path("unused"))
            engines[quantization] = made.model.load(made.runtime)
        return engines[quantization]

    return load


CONTROL = {"<bos>": 0, "user": 1, "assistant": 2, "system": 3, "<end>": 4}
FIRST_BYTE = len(CONTROL)


class FakeChat:
    """Every byte is a token behind five control tokens; a turn is its role's token, its bytes and an end token."""

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        ids = [CONTROL["<bos>"]]
        for message in messages:
            ids += [CONTROL[message["role"]], *self._bytes(message["content"]), CONTROL["<end>"]]
        return [*ids, CONTROL["assistant"]]

    def conversation(self, sample: Sample) -> Tokens:
        if sample.text is not None:
            return self.document(sample)
        ids, targets = [CONTROL["<bos>"]], [False]
        for message in sample.messages:
            said = [*self._bytes(message["content"]), CONTROL["<end>"]]
            ids += [CONTROL[message["role"]], *said]
            targets += [False, *[message["role"] == "assistant"] * len(said)]
        return Tokens(sample=sample.id, ids=tuple(ids), targets=tuple(targets))

    def document(self, sample: Sample) -> Tokens:
        ids = (CONTROL["<bos>"], *self._bytes(sample.text or ""))
        return Tokens(sample=sample.id, ids=ids, targets=(False, *[True] * (len(ids) - 1)))

    def everything(self, sample: Sample) -> Tokens:
        ids = self.conversation(sample).ids
        return Tokens(sample=sample.id, ids=ids, targets=(False, *[True] * (len(ids) - 1)))

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(i - FIRST_BYTE for i in ids if i >= FIRST_BYTE).decode("utf-8", "replace")

    @staticmethod
    def _bytes(text: str) -> list[int]:
        return [byte + FIRST_BYTE for byte in text.encode()]


@dataclass
class FakeLanguageModel:
    """A language model without weights. `reply` is what it says to the last turn; a mapping is looked up by it.

    A target costs between 0.5 and 1.5 nats, by itself and the token before it alone: see `nats`. What it was asked is
    kept in `scored` and `asked`, adapters that were switched on in `adapters`.
    """

    reply: Callable[[str], str] | Mapping[str, str] = field(default=lambda asked: f"You said: {asked}")
    chat: FakeChat = field(default_factory=FakeChat)
    scored: list[Tokens] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    adapters: list[Path] = field(default_factory=list)

    @staticmethod
    def nats(before: int, token: int) -> float:
        """What `token` costs behind `before`."""
        return 0.5 + int.from_bytes(sha256(f"{before} {token}".encode()).digest()[:4]) / 2**32

    def nll(self, rows: Sequence[Tokens]) -> list[Nll]:
        self.scored += rows
        return [self._nll(row) for row in rows]

    def _nll(self, row: Tokens) -> Nll:
        places = [place for place in range(1, len(row.ids)) if row.targets[place]]
        total = sum(self.nats(row.ids[place - 1], row.ids[place]) for place in places)
        return Nll(sample=row.sample, sum_nats=total, num_tokens=len(places))

    def generate(self, prompts: Mapping[str, Sequence[Message]], decoding: Decoding) -> Iterator[Answer]:
        """From the last prompt to the first, since nobody may count on their order; a token is a byte."""
        for name, turns in reversed(prompts.items()):
            asked = turns[-1]["content"]
            said = self.reply[asked] if isinstance(self.reply, Mapping) else self.reply(asked)
            ids = FakeChat._bytes(said)
            kept = ids[: decoding.max_new_tokens]
            self.asked.append(name)
            yield Answer(
                sample=name,
                text=self.chat.decode(kept),
                num_prompt_tokens=len(self.chat.prompt(turns)),
                num_tokens=len(kept),
                finish="end" if len(ids) < decoding.max_new_tokens else "length",
            )

    def hidden(self, prompts: Mapping[str, Sequence[Message]], pooling: Any) -> Any:
        """Three layers of width 16 that know bytes: a token's state is drawn from its number and the layer alone."""
        import torch

        from finetune_lab.inference.hidden import POOLS

        pool = POOLS[pooling] if isinstance(pooling, str) else pooling
        found = []
        for turns in prompts.values():
            ids = torch.tensor(self.chat.prompt(turns))
            drawn = (torch.randn(300, 16, generator=torch.Generator().manual_seed(layer)) for layer in range(3))
            mask = torch.ones(1, len(ids), dtype=torch.long)
            found.append(torch.cat([pool(layer, table[ids][None], mask) for layer, table in enumerate(drawn)]))
        return torch.stack(found)

    @contextmanager
    def as_base(self) -> Iterator["FakeLanguageModel"]:
        yield self

    @contextmanager
    def with_adapter(self, folder: Path) -> Iterator["FakeLanguageModel"]:
        self.adapters.append(folder)
        yield self


@pytest.fixture
def fake_model() -> type[FakeLanguageModel]:
    """The fake at the seam between evaluators and models; make one with the replies that a test needs."""
    return FakeLanguageModel


@pytest.fixture(scope="session")
def drawn_adapter(tmp_path_factory: pytest.TempPathFactory, tiny_engine: Callable[[str], Any]) -> Path:
    """A PEFT folder for the embedded model that changes what it says, drawn and not trained."""
    import torch
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("drawn") / "adapter"
    engine = tiny_engine("none")
    layers = ["q_proj", "v_proj", "gate_proj", "down_proj"]
    tuned = get_peft_model(engine.module, LoraConfig(r=4, lora_alpha=8, target_modules=layers, task_type="CAUSAL_LM"))
    drawn = torch.Generator().manual_seed(7)
    for name, weight in tuned.named_parameters():
        if "lora_" in name:  # both matrices: PEFT draws A from the process' own generator, which earlier tests moved
            weight.data = (0.4 if "lora_B" in name else 0.05) * torch.randn(weight.shape, generator=drawn)
    tuned.save_pretrained(folder)
    tuned.unload()
    engine.module.requires_grad_(False)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium without a window."""
    import shutil

    selenium = pytest.importorskip("selenium.webdriver", reason="pip install .[dev]")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("no chromium and chromedriver on this machine (apt-get install chromium chromium-driver)")
    options = selenium.ChromeOptions()
    options.binary_location = program
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    opened.set_page_load_timeout(120)
    opened.set_script_timeout(120)
    yield opened
    opened.quit()
