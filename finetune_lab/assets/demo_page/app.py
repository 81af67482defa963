"""Base and tuned model side by side. Everything about them stands in space.json, beside this file.

    python app.py             # the page, at http://127.0.0.1:7860
    python app.py --check     # load both, let each write a few tokens, and stop: exit code 0 means that it would start

The weights are safetensors, read from this folder or from the hub at the commit that space.json names. What a model
writes is shown as text and never as HTML.
"""

import argparse
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import gradio as gr
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, StoppingCriteria, TextIteratorStreamer

HERE = Path(__file__).resolve().parent
SPACE = json.loads((HERE / "space.json").read_text(encoding="utf-8"))
# controls but for tab and newline, and marks that turn the direction of what follows: written out instead of obeyed
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
STYLE = """
footer { display: none !important; }
.gradio-container { max-width: 1100px !important; margin: 0 auto !important; }
.answer textarea { font-family: ui-monospace, monospace; font-size: 13px; line-height: 1.45; }
"""


class Stop(StoppingCriteria):
    """Ends a text when the page has gone or somebody pressed Stop."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        return torch.full((input_ids.shape[0],), self.event.is_set(), device=input_ids.device)


class Pair:
    """One loaded base, and the adapter on it that can be switched off. One text is written at a time."""

    def __init__(self) -> None:
        base = SPACE["base"]
        place = str(HERE / base["folder"]) if base["folder"] else base["repository"]
        device = "cuda" if torch.cuda.is_available() else "cpu"
        options: dict[str, Any] = {"dtype": getattr(torch, base["precision"]), "device_map": {"": device}}
        if base["quantization"] == "nf4":
            options["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=options["dtype"],
            )
        elif base["quantization"] == "int8":
            options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
        model = AutoModelForCausalLM.from_pretrained(
            place,
            revision=base["revision"],
            trust_remote_code=base["trust_remote_code"],
            use_safetensors=True,
            **options,
        )
        layers: Any = model.modules()
        for layer in layers:
            if hasattr(layer, "support_avx512bf16_for_cpu"):
                layer.support_avx512bf16_for_cpu = False  # would compute 4-bit weights in another precision
        self.tokenizer = AutoTokenizer.from_pretrained(HERE / "tokenizer")
        self.model = PeftModel.from_pretrained(model, str(HERE / "adapter"), is_trainable=False).eval()
        self.lock = threading.Lock()

    def prompt(self, question: str) -> Any:
        """The tokens of a question behind the chat template, as they were in training."""
        system = [{"role": "system", "content": SPACE["system"]}] if SPACE["system"] else []
        turns = [*system, {"role": "user", "content": question}]
        text = self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, **SPACE["template_options"]
        )
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        bos = self.tokenizer.bos_token_id
        if bos is not None and self.tokenizer("a")["input_ids"][:1] == [bos] and bos not in ids[:2]:
            ids = [bos, *ids]
        return torch.tensor([ids], device=self.model.device)

    def write(self, question: str, tuned: bool, stop: Stop, **knobs: Any) -> Iterator[str]:
        """The answer so far, again and again, until it is whole."""
        streamer = TextIteratorStreamer(
            self.tokenizer, skip_prompt=True, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        failed: list[BaseException] = []

        def work() -> None:
            try:
                with torch.inference_mode(), nullcontext() if tuned else self.model.disable_adapter():
                    ids = self.prompt(question)
                    self.model.generate(
                        input_ids=ids, attention_mask=torch.ones_like(ids), streamer=streamer, **settings(stop, knobs)
                    )
            except BaseException as error:
                failed.append(error)
            finally:
                streamer.end()

        with self.lock:
            torch.manual_seed(int(knobs["seed"]))
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            text = ""
            try:
                for piece in streamer:
                    text += piece
                    yield shown(text)
            finally:
                stop.event.set()
                thread.join()
        if failed:
            raise failed[0]


def settings(stop: Stop, knobs: dict[str, Any]) -> dict[str, Any]:
    """What `generate` is told. Temperature 0 is greedy."""
    found = {
        "max_new_tokens": int(knobs["max_new_tokens"]),
        "do_sample": knobs["temperature"] > 0,
        "repetition_penalty": SPACE["decoding"]["repetition_penalty"],
        "no_repeat_ngram_size": SPACE["decoding"]["no_repeat_ngram"],
        "eos_token_id": SPACE["end_tokens"],
        "pad_token_id": SPACE["end_tokens"][0],
        "stopping_criteria": [stop],
        "top_k": 0,
    }
    return found | ({"temperature": knobs["temperature"], "top_p": knobs["top_p"]} if found["do_sample"] else {})


def shown(text: str) -> str:
    """The text with its control characters written out."""
    return UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def page(pair: Pair) -> gr.Blocks:
    """The page: a question, two answers that grow one after the other, and the knobs."""
    decoding = SPACE["decoding"]

    def ask(question: str, temperature: float, top_p: float, length: int, seed: int) -> Iterator[tuple[str, str]]:
        question = (question or "").strip()
        if not question:
            yield "", ""
            return
        if len(question) > SPACE["max_characters"]:
            raise gr.Error(f"The question is longer than {SPACE['max_characters']} characters.")
        knobs = {"temperature": temperature, "top_p": top_p, "max_new_tokens": length, "seed": seed or 0}
        base, tuned = "", ""
        yield base, tuned
        for base in pair.write(question, False, Stop(), **knobs):
            yield base, tuned
        for tuned in pair.write(question, True, Stop(), **knobs):
            yield base, tuned

    with gr.Blocks(title=SPACE["title"]) as demo:
        gr.Markdown(f"# {SPACE['title_markdown']}\n\n{SPACE['about_markdown']}")
        question = gr.Textbox(
            label="Question",
            lines=3,
            max_lines=8,
            max_length=SPACE["max_characters"],
            elem_id="question",
            placeholder="Ask both models the same …",
        )
        with gr.Row():
            stop = gr.Button("Stop", elem_id="stop", size="md")
            send = gr.Button("Ask both", variant="primary", elem_id="send", size="md")
        with gr.Row(equal_height=True):
            answers = [
                gr.Textbox(
                    label=label,
                    lines=12,
                    max_lines=24,
                    interactive=False,
                    buttons=["copy"],
                    min_width=300,
                    elem_id=name,
                    elem_classes="answer",
                    autoscroll=True,
                )
                for name, label in (("base", SPACE["labels"][0]), ("tuned", SPACE["labels"][1]))
            ]
        with gr.Accordion("How it is written", open=False), gr.Row():
            most = decoding["max_new_tokens"]
            knobs = [
                gr.Slider(0, 2, decoding["temperature"], step=0.05, label="Temperature (0: always the likeliest)"),
                gr.Slider(0.05, 1, decoding["top_p"], step=0.05, label="Top p"),
                gr.Slider(1, most, most, step=1, label="Longest answer, tokens"),
                gr.Number(decoding["seed"], precision=0, minimum=0, label="Seed"),
            ]
        if SPACE["examples"]:
            gr.Examples([[example] for example in SPACE["examples"]], [question], label="Held-out examples")
        inputs = [question, *knobs]
        asked: list[Any] = [
            start(ask, inputs, answers, api_visibility="private") for start in (send.click, question.submit)
        ]
        stop.click(None, cancels=asked)
    return demo


def check(pair: Pair) -> None:
    """Let both write a little to the first example, and print it."""
    question = (SPACE["examples"] or ["Hello."])[0]
    knobs = {"temperature": 0, "top_p": 1, "max_new_tokens": 8, "seed": 0}
    for label, tuned in zip(SPACE["labels"], (False, True), strict=True):
        *_, text = "", *pair.write(question, tuned, Stop(), **knobs)
        print(f"{label}: {text!r}")
    print("ready")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="load, write a few tokens, stop")
    parser.add_argument("--port", type=int, default=None)
    chosen = parser.parse_args()
    pair = Pair()
    demo = page(pair)
    if chosen.check:
        check(pair)
        return
    demo.queue(max_size=SPACE["queue"], default_concurrency_limit=1)
    fonts = ["ui-sans-serif", "system-ui", "sans-serif"]  # those of the reader: none is fetched
    theme = gr.themes.Soft(font=fonts, font_mono=["ui-monospace", "monospace"])
    demo.launch(server_port=chosen.port, theme=theme, css=STYLE, footer_links=[], ssr_mode=False)


if __name__ == "__main__":
    main()
