"""A model on this machine as a judge, through the same engine that answers and scores."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import exp, log
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveInt, SkipValidation

from finetune_lab.errors import ConfigError
from finetune_lab.inference.clients.exchange import Reply, Request, Token
from finetune_lab.plugin import plugin
from finetune_lab.protocols import LanguageModel
from finetune_lab.records import Answer, Decoding, Sample
from finetune_lab.text.families import names_of
from finetune_lab.text.verdicts import last_of


@plugin
class Local:
    """`model` is any choice of the group `model`. It costs nothing but time.

    Where probabilities of scores are wanted, every score is put in the place of the one that was written, and the
    answer is scored as a whole: exact, at one forward pass for each.
    """

    is_free: ClassVar[bool] = True
    model: SkipValidation[Any]
    family: str | None
    max_tokens: PositiveInt
    temperature: Annotated[float, Field(ge=0)] | None

    def identity(self) -> dict[str, Any]:
        """The model, what it is computed in, and how it is sampled."""
        told = {"model": self.model, "precision": self.model.precision}
        return told | {"max_tokens": self.max_tokens, "temperature": self.temperature}

    @property
    def name(self) -> str:
        """What the model's config calls it."""
        return names_of(self.model)[0]

    def check(self) -> None:
        """Raise ConfigError where the machine would choose the precision: another one is another judge."""
        if self.model.precision == "auto":
            raise ConfigError(
                "client.model.precision: auto differs from machine to machine, and with it what a judge says; name "
                "float32, bfloat16 or float16"
            )

    @contextmanager
    def open(self, runtime: Any) -> Iterator["_Engine"]:
        """The model, loaded for the length of a `with`."""
        self.model.check(runtime)
        loaded: Any = self.model.load(runtime)
        with loaded.as_base() as model:
            yield _Engine(model, self._decoding(), runtime.inference_batch_rows)

    def _decoding(self) -> Decoding:
        return Decoding(max_new_tokens=self.max_tokens, temperature=self.temperature or 0.0)


class _Engine:
    most_at_a_time: int | None = 1

    def __init__(self, model: LanguageModel, decoding: Decoding, rows_at_once: int) -> None:
        self._model, self._decoding, self.rows_at_once = model, decoding, rows_at_once

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        # samples of one question differ in their key, and the noise of a row follows its name
        prompts = {one.key: one.messages for one in requests}
        answers = {answer.sample: answer for answer in self._model.generate(prompts, self._decoding)}
        return [self._reply(one, answers[one.key]) for one in requests]

    def _reply(self, request: Request, answer: Answer) -> Reply:
        return Reply(
            text=answer.text,
            num_input_tokens=answer.num_prompt_tokens,
            num_output_tokens=answer.num_tokens,
            finish=answer.finish,
            tokens=self._weighed(request, answer.text) if request.scale else (),
        )

    def _weighed(self, request: Request, text: str) -> tuple[Token, ...]:
        """The answer in three pieces, the middle one being the last score with the others' log-probabilities."""
        place = last_of(text, request.scale)
        if place is None:
            return ()
        before, behind = text[: place.first], text[place.behind :]
        # the score closes the answer here, so that all differ in nothing else
        said = [[*request.messages, {"role": "assistant", "content": before + score}] for score in request.scale]
        found = self._model.nll([self._model.chat.conversation(Sample.of(messages=turns)) for turns in said])
        least = min(one.sum_nats for one in found)
        total = log(sum(exp(least - one.sum_nats) for one in found))
        top = {score: least - one.sum_nats - total for score, one in zip(request.scale, found, strict=True)}
        return (Token(text=before), Token(text=place.word, top=top), Token(text=behind))
