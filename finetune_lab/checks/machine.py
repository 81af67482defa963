"""The device, what it computes in, and whether its 4-bit kernels can be trusted with numbers and with gradients."""

import warnings
from typing import Any

from finetune_lab.checks.finding import Finding

# half the widest gap between two neighbouring NF4 levels (-1 and -0.696), in units of the block's largest value
NF4_BOUND = 0.1521
NF4_NOTE = "on a CPU it takes layers whose output features are divisible by 32"
GRADIENT_BOUND = 1e-6


def device() -> list[Finding]:
    """The accelerators that PyTorch sees, with their memory."""
    import torch

    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        told = ", ".join(f"{card.name} {card.total_memory / 1e9:.0f} GB" for card in cards)
        return [Finding(check="device", state="ok", finding=f"cuda {torch.version.cuda}: {told}")]
    if torch.backends.mps.is_available():
        return [Finding(check="device", state="ok", finding="mps")]
    told = f"cpu only, {torch.get_num_threads()} threads"
    remedy = "enough for small models; billions of parameters need a GPU and a PyTorch built for it"
    return [Finding(check="device", state="warn", finding=told, remedy=remedy)]


def precision() -> list[Finding]:
    """Whether bfloat16 is computed natively on the device that would be used."""
    import torch

    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        told = "native on this GPU" if native else "not native on this GPU: auto takes float16"
        return [Finding(check="bfloat16", state="ok" if native else "warn", finding=told)]
    capability = torch.backends.cpu.get_cpu_capability()
    return [Finding(check="bfloat16", state="ok", finding=f"auto takes float32 without CUDA (this CPU: {capability})")]


def nf4() -> list[Finding]:
    """Quantise and restore normal numbers; the error of each must stay within half a gap of the NF4 levels."""
    try:
        from bitsandbytes.functional import dequantize_4bit, quantize_4bit
    except Exception as error:  # a library without a build for this machine fails in many ways
        return [_no_nf4("nf4", error)]
    import torch

    place = _place(torch)
    weights = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).to(place)
    try:
        packed, state = quantize_4bit(weights, blocksize=64, quant_type="nf4")
        restored = dequantize_4bit(packed, state).float()
    except Exception as error:
        return [_no_nf4("nf4", error)]
    largest = weights.reshape(-1, 64).abs().amax(dim=1, keepdim=True)
    worst = float(((restored - weights).reshape(-1, 64).abs() / largest).max())
    told = f"worst error {worst:.3f} of a block's largest value, bound {NF4_BOUND:.3f}; {NF4_NOTE}"
    if worst <= NF4_BOUND:
        return [Finding(check="nf4", state="ok", finding=told)]
    return [Finding(check="nf4", state="fail", finding=told, remedy="reinstall bitsandbytes; until then use none")]


def gradients() -> list[Finding]:
    """An evaluation between two backward passes must not change the gradient through 4-bit weights.

    On CPUs with AVX512-BF16, bitsandbytes 0.50 repacks the weights in the first forward without gradients, and every
    backward after it is wrong. Models are loaded with that switched off; here both ways are tried.
    """
    try:
        guarded = gradient_error(guard=True)
        bare = gradient_error(guard=False)
    except Exception as error:
        return [_no_nf4("nf4 gradients", error)]
    if guarded > GRADIENT_BOUND:
        told = f"an evaluation changes the gradient by {guarded:.2g}, also with the fast path switched off"
        remedy = "train with model.quantization=none here, or with another version of bitsandbytes"
        return [Finding(check="nf4 gradients", state="fail", finding=told, remedy=remedy)]
    told = "the same before and after an evaluation"
    if bare > GRADIENT_BOUND:
        told += f" (the faulty fast path of this CPU, error {bare:.2g}, is switched off at loading)"
    return [Finding(check="nf4 gradients", state="ok", finding=told)]


def gradient_error(*, guard: bool) -> float:
    """The relative change of the gradient through an NF4 layer after one forward pass without gradients."""
    import torch
    from bitsandbytes.nn import Linear4bit

    place, made = _place(torch), torch.Generator().manual_seed(0)
    layer = Linear4bit(64, 64, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4")
    layer.weight.data.copy_(torch.randn(64, 64, generator=made))
    layer = layer.to(place)
    if guard:
        layer.support_avx512bf16_for_cpu = False
    rows = torch.randn(8, 64, generator=made).to(place)
    before = _gradient(torch, layer, rows)
    layer.eval()
    with torch.no_grad():
        layer(rows.to(torch.bfloat16))
    layer.train()
    after = _gradient(torch, layer, rows)
    return float((after - before).norm() / before.norm())


def _gradient(torch: Any, layer: Any, rows: Any) -> Any:
    asked = rows.clone().to(torch.bfloat16).requires_grad_(True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the faulty path warns that it has no backward pass, and goes on
        layer(asked).float().square().sum().backward()
    return torch.zeros_like(rows) if asked.grad is None else asked.grad.float()


def _place(torch: Any) -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _no_nf4(check: str, error: Exception) -> Finding:
    told = f"bitsandbytes does not work here ({type(error).__name__}: {str(error)[:80]})"
    return Finding(check=check, state="warn", finding=told, remedy="use model.quantization=none on this machine")
