"""A GPU that is not here, by what its maker says of it."""

from pydantic import Field, PositiveFloat

from finetune_lab.planning.room import Room
from finetune_lab.plugin import plugin
from finetune_lab.protocols import Runtime


@plugin
class Gpu:
    """`memory_gib` that programs can have; `teraflops` of dense matrices in 16 bits; `bandwidth_gb` per second.

    `utilisation`: the share of `teraflops` that a training is taken to reach. `bfloat16`: whether it computes in it.
    `price_per_hour` is yours to say.
    """

    name: str
    memory_gib: PositiveFloat
    teraflops: PositiveFloat
    bandwidth_gb: PositiveFloat
    utilisation: float = Field(gt=0, le=1)
    bfloat16: bool
    price_per_hour: PositiveFloat | None

    def room(self, runtime: Runtime) -> Room | None:
        """All of its memory."""
        return Room(
            name=self.name,
            device="cuda",
            num_bytes=round(self.memory_gib * 2**30),
            flops=1e12 * self.teraflops,
            bandwidth=1e9 * self.bandwidth_gb,
            utilisation=self.utilisation,
            price_per_hour=self.price_per_hour,
            precision="bfloat16" if self.bfloat16 else "float16",
            named=True,
        )
