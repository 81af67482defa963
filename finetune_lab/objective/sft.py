"""Supervised fine-tuning: the negative log-likelihood of the answers, their prompts given."""

from typing import Any

from pydantic import PositiveInt

from finetune_lab.plugin import plugin
from finetune_lab.training.setting import Encoded, Setting


@plugin
class Sft:
    """`max_length` in tokens, prompt and answer together; longer rows are left out and counted."""

    max_length: PositiveInt

    def encode(self, setting: Setting) -> Encoded:
        """Tokenise and prove both splits."""
        from finetune_lab.training.proof import encode, prove

        samples = {"train": setting.train, "validation": setting.validation}
        rows = {name: encode(setting.chat, split, max_length=self.max_length) for name, split in samples.items()}
        proof = prove(setting.chat, samples, rows)
        return Encoded(train=rows["train"].tokens, validation=rows["validation"].tokens, proof=proof)

    def trainer(self, model: Any, arguments: Any, encoded: Encoded, order: list[int], **parts: Any) -> Any:
        """A Transformers trainer over the rows in `order`; `parts` are its optimizers and callbacks."""
        from transformers import Trainer

        from finetune_lab.training.rows import collate  # imports torch, which a kept run does without

        return Trainer(
            model=model,
            args=arguments,
            train_dataset=[encoded.train[row] for row in order],
            eval_dataset=sorted(encoded.validation, key=lambda row: len(row.ids)),
            data_collator=collate,
            **parts,
        )
