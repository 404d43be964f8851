"""The number format of forward and backward: float32, or a half-wide one where the sums stay in float32.

One small object with the same verbs for every format, so that the loop never asks which one it is. The weights, the
optimizer's state, the losses and the metrics stay in the network's own format (float32 or better) with all of them.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from keraslike.calling import nearest
from keraslike.engine.transfer import changed
from keraslike.errors import ArgumentError

HALVES = (torch.float16, torch.bfloat16)

_PLAIN = nullcontext()


class Precision:
    """Float32: forward and backward run in the network's own format, nothing is scaled.

    Attributes:
        name: the word for it.
        reads_each_step: whether each step waits for the device, because the scale of the next one depends on it.
        is_scaling: whether losses are scaled, and gradients unscaled; if not, nobody needs to ask in a step.
        note: one line to say at the start of the training, or None.

    Example:
        >>> precision = Precision()
        >>> with precision.forward():
        ...     outputs = nn.Linear(2, 1)(torch.zeros(3, 2))
        >>> outputs.dtype
        torch.float32
    """

    name = "float32"
    reads_each_step = False
    is_scaling = False
    note: str | None = None

    def forward(self) -> AbstractContextManager[Any]:
        """Give the context in which the network is called; loss and backward stand outside of it."""
        return _PLAIN

    def run(self, network: Callable[..., Any], given: Iterable[Any]) -> Any:
        """Call the network, and give its outputs as losses and metrics see them: in float32 or better."""
        outputs = network(*given)
        return outputs if type(outputs) is Tensor and outputs.dtype is torch.float32 else full(outputs)

    def scaled(self, loss: Tensor) -> Tensor:
        """Give what to back-propagate for a loss."""
        return loss

    def unscale(self, optimizer: Optimizer, parameters: Iterable[nn.Parameter] = ()) -> None:
        """Turn the gradients of the scaled loss into those of the loss, once per step, before anybody reads them.

        Args:
            optimizer: its parameters' gradients, and
            parameters: those of others, which clipping sees too.
        """

    def update(self, *, is_skipped: bool = False) -> None:
        """Choose the next step's scale, after the optimizer's step or after it was skipped."""

    def forgives(self, *, is_loss_finite: bool) -> bool:
        """Tell whether the scale alone may explain a gradient that is not finite: no reason to stop training."""
        return False

    def state(self) -> dict[str, float]:
        """Give what a checkpoint keeps, plain numbers."""
        return {}

    def load_state(self, state: dict[str, float]) -> None:
        """Go on from what `state` gave."""


class BFloat16(Precision):
    """Matrix products in bfloat16 (8 bits of exponent as float32, 7 of fraction), sums and weights in float32.

    Args:
        device_type: the kind of device, such as "cuda".
    """

    name = "bf16"
    dtype = torch.bfloat16

    def __init__(self, device_type: str) -> None:
        self.device_type = device_type

    def forward(self) -> AbstractContextManager[Any]:
        """Give the context in which the network is called; as in Precision."""
        return torch.autocast(self.device_type, dtype=self.dtype)

    def run(self, network: Callable[..., Any], given: Iterable[Any]) -> Any:
        """Call the network in that context; as in Precision."""
        with self.forward():
            outputs = network(*given)
        return full(outputs)


class Float16(BFloat16):
    """Matrix products in float16, whose small numbers end at 6e-8: the loss is scaled up before the backward.

    The scale starts at 65,536, is halved when a gradient overflows (that step is skipped), and is doubled after 2,000
    steps without one. So the first few steps of a run may be skipped until the scale fits.

    Source: Micikevicius et al., Mixed Precision Training, 2018, section 3.2; `torch.amp.GradScaler`.

    Example:
        >>> precision, weight = Float16("cpu"), nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.SGD([weight], lr=0.5)
        >>> precision.scaled((weight * 3).sum()).backward()
        >>> precision.unscale(optimizer)
        >>> weight.grad
        tensor([3.])
        >>> precision.update()
    """

    name = "fp16"
    dtype = torch.float16
    reads_each_step = is_scaling = True

    def __init__(self, device_type: str) -> None:
        super().__init__(device_type)
        self.scaler = GradScaler(device_type)
        self._is_unscaled = False

    def scaled(self, loss: Tensor) -> Tensor:
        """Give the loss times the scale."""
        return self.scaler.scale(loss)

    def unscale(self, optimizer: Optimizer, parameters: Iterable[nn.Parameter] = ()) -> None:
        """Divide the gradients by the scale, in place, and note on the device whether one is not finite."""
        if all(parameter.grad is None for group in optimizer.param_groups for parameter in group["params"]):
            return
        self.scaler.unscale_(optimizer)
        self._is_unscaled = True
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        scale = self.scaler.get_scale()
        for parameter in parameters:
            if id(parameter) not in held and parameter.grad is not None:
                parameter.grad.div_(scale)

    def update(self, *, is_skipped: bool = False) -> None:
        """Halve the scale after a gradient that was not finite; a step without a backward leaves it."""
        if self._is_unscaled:  # torch raises an AssertionError otherwise
            before = self.scaler.get_scale()
            self.scaler.update()
            if is_skipped and self.scaler.get_scale() >= before:  # a gradient that the optimizer does not hold
                self.scaler.update(before * self.scaler.get_backoff_factor())
        self._is_unscaled = False

    def forgives(self, *, is_loss_finite: bool) -> bool:
        """Tell whether the scale alone may explain it: the loss is finite, and the scale can still be halved."""
        return is_loss_finite and self.scaler.get_scale() > 1

    def state(self) -> dict[str, float]:
        """Give the scale and the number of steps since it last changed."""
        scale, steps = self.scaler.get_scale(), self.scaler.state_dict()["_growth_tracker"]
        return {"scale": float(scale), "steps": float(steps)}

    def load_state(self, state: dict[str, float]) -> None:
        """Go on from what `state` gave; what another precision gave is left aside."""
        if "scale" in state:
            own = self.scaler.state_dict()
            self.scaler.load_state_dict({**own, "scale": state["scale"], "_growth_tracker": int(state["steps"])})


CHOICES = ("auto", "float32", "bf16", "fp16")

NAMES = {
    **dict.fromkeys(("float32", "fp32", "32", "32-true", "no", "torch.float32"), "float32"),
    **dict.fromkeys(("bf16", "bfloat16", "bf16-mixed", "mixed_bfloat16", "torch.bfloat16"), "bf16"),
    **dict.fromkeys(("fp16", "float16", "16", "16-mixed", "mixed_float16", "half", "torch.float16"), "fp16"),
}
"""The words for each precision: ours, torch's, Lightning's, Keras' and Accelerate's."""

UNFIT = {"float32": HALVES, "bf16": (torch.float64,), "fp16": (torch.float64, *HALVES)}
"""Formats of parameters that a precision would silently not be: autocast leaves float64, scaled sums need float32."""


def choose_precision(precision: Any, device: torch.device, network: nn.Module, *, is_transformer: bool) -> Precision:
    """Give the precision that a word means for this network on this device.

    Args:
        precision: "auto", "float32", "bf16" or "fp16"; also a torch dtype, and other libraries' words for these.
            "auto" is bf16 for a transformer on an accelerator that computes in it (NVIDIA from Ampere on, AMD, Intel),
            and float32 for everything else and on every CPU, where results are promised to 1e-6.
        device: where the network runs.
        network: its parameters must be wide enough for the sums.
        is_transformer: whether the network is one.

    Raises:
        ArgumentError: the word is unknown; the kind of device has no such precision; or the network's parameters are in
            a format that the word would not describe: a half-wide one with "float32" or "fp16", float64 with "bf16" or
            "fp16". "auto" trains every network as it is.

    Example:
        >>> choose_precision("auto", torch.device("cpu"), nn.Linear(1, 1), is_transformer=True).name
        'float32'
    """
    if isinstance(precision, str) and precision == "auto":
        dtype = _dtype_of(network)
        is_fast = is_transformer and dtype is torch.float32 and has_bf16(device)
        return BFloat16(device.type) if is_fast else Precision()
    name = _name_of(precision)
    _check(name, device, _dtype_of(network))
    if name == "float32":
        return Precision()
    chosen = BFloat16(device.type) if name == "bf16" else Float16(device.type)
    chosen.note = _note(name, device)
    return chosen


def has_bf16(device: torch.device) -> bool:
    """Tell whether an accelerator computes in bfloat16 by itself, not by way of float32; of a CPU it is never said."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "xpu" and bool(torch.xpu.is_bf16_supported(including_emulation=False))


def full(outputs: Any) -> Any:
    """Give nested outputs with every float16 and bfloat16 tensor in float32, its gradient included; others as they are.

    Example:
        >>> full({"logits": torch.zeros(2, dtype=torch.bfloat16)})["logits"].dtype
        torch.float32
    """
    return changed(outputs, _widened)


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in HALVES else tensor


def _name_of(precision: Any) -> str:
    word = str(precision).lower()
    if isinstance(precision, (str, int, torch.dtype)) and not isinstance(precision, bool) and word in NAMES:
        return NAMES[word]
    raise ArgumentError(
        f"precision={precision!r} is not known.",
        ", ".join(f'"{choice}"' for choice in CHOICES) + ".",
        _instead(word),
    )


def _instead(word: str) -> str:
    """Give our word for the nearest of all that are understood, or what else to do."""
    if "64" in word:
        return 'write network.double(), and leave precision out: "auto" trains a network as it is.'
    found = nearest(word, (*CHOICES, *NAMES))
    return f"did you mean {NAMES.get(found, found)!r}?" if found else 'leave precision out, or write precision="auto".'


def _check(name: str, device: torch.device, dtype: torch.dtype) -> None:
    if name != "float32" and not torch.amp.is_autocast_available(device.type):
        raise ArgumentError(
            f"precision={name!r} is not there on the device {str(device)!r}.", '"float32".', 'write precision="auto".'
        )
    if dtype in UNFIT[name]:
        raise ArgumentError(
            f"precision={name!r} was asked for, and the network's parameters are {dtype}.",
            "parameters in float32.",
            'write network.float() before the model is made, or precision="auto" to train the network as it is.',
        )


def _dtype_of(network: nn.Module) -> torch.dtype:
    """Give the format of the network's floating-point parameters, that of the first one; float32 if there are none."""
    return next((value.dtype for value in network.parameters() if value.is_floating_point()), torch.float32)


def _note(name: str, device: torch.device) -> str | None:
    """Say in one line where a precision costs time instead of saving it."""
    if device.type == "cpu":
        known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        wanted = ("amx_bf16", "avx512_bf16", "bf16") if name == "bf16" else ("amx_fp16", "avx512_fp16", "fp16_arith")
        is_slow = bool(known) and not any(known.get(instructions) for instructions in wanted)
        return f'this CPU has no {name} instructions: precision="float32" is faster here.' if is_slow else None
    if name == "bf16" and device.type in ("cuda", "xpu") and not has_bf16(device):
        return f'{device} has no bf16 instructions: precision="fp16" or "float32" is faster here.'
    return None
