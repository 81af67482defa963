"""The machine that the program runs on, as it is now."""

from dataclasses import replace

from pydantic import Field, PositiveFloat

from finetune_lab.planning.room import Room, processor_flops, room_here
from finetune_lab.plugin import plugin
from finetune_lab.protocols import Runtime


@plugin
class Here:
    """`utilisation`: the share of a processor's speed in one large matrix product that a training is taken to reach.

    `price_per_hour` is yours to say, in any currency; null: unknown, and no cost is told.
    """

    utilisation: float = Field(gt=0, le=1)
    price_per_hour: PositiveFloat | None

    def room(self, runtime: Runtime) -> Room | None:
        """What is free on the device that the runtime takes, and how fast it is; None where the system does not say."""
        found = room_here(runtime.resolved_device())
        if found is None:
            return None
        speed = processor_flops() if found.device == "cpu" else None
        return replace(found, flops=speed, utilisation=self.utilisation, price_per_hour=self.price_per_hour)
