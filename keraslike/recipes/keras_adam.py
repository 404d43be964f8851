"""Adam as Keras 3 writes it: the correction of the moments in the rate, and epsilon behind it."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class KerasAdam(Optimizer):
    """Adam by the formula of Keras 3 on torch, bit for bit.

    ::

        momentum = beta_1 * momentum + (1 - beta_1) * gradient
        velocity = beta_2 * velocity + (1 - beta_2) * gradient**2
        rate = lr * sqrt(1 - beta_2**step) / (1 - beta_1**step)
        weight -= rate * momentum / (sqrt(velocity) + eps)

    torch adds `eps` to the corrected velocity, so its epsilon is smaller by `sqrt(1 - beta_2 ** step)`: 32 times in
    the first step. Rate and correction are computed in the weights' dtype, as Keras does.

    Args:
        params: as in any torch optimizer.
        lr: the rate.
        betas: how much of momentum and velocity a step keeps.
        eps: as in the formula.
        weight_decay: the share of a weight, times the rate, that is taken off before each step, as in AdamW.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> weight.grad = torch.tensor([1e-7])
        >>> KerasAdam([weight], lr=1.0).step()
        >>> round(weight.item(), 3)
        0.969

    Source:
        `keras/src/backend/torch/optimizers/torch_adam.py` of Keras 3.15; Kingma and Ba (2015, arXiv:1412.6980), the
        end of section 2, has this order of the computation with its "epsilon hat".
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the weights once; those without a gradient stay as they are.

        Args:
            closure: computes the loss anew, as in any torch optimizer.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            step = 1 + max((state["step"] for state in self.state.values()), default=0)
            for group in self.param_groups:
                self._step_of(group, step)
        return loss

    def _step_of(self, group: dict[str, Any], step: int) -> None:
        """Take the step of this number, which counts for all weights, as in Keras, and is kept beside the moments."""
        beta_1, beta_2 = group["betas"]
        for weight in group["params"]:
            gradient = weight.grad
            if gradient is None:
                continue
            momentum, velocity = self._moments(weight)
            self.state[weight]["step"] = step
            lr, rate = _rates(group, step, weight)
            if group["weight_decay"]:
                weight.mul_(1 - group["weight_decay"] * lr)
            momentum.mul_(beta_1).add_(gradient, alpha=1 - beta_1)
            velocity.mul_(beta_2).add_(gradient * gradient, alpha=1 - beta_2)
            weight.sub_(momentum * rate / (velocity.sqrt() + group["eps"]))

    def _moments(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        state = self.state[weight]
        if not state:
            state["momentum"], state["velocity"] = torch.zeros_like(weight), torch.zeros_like(weight)
        return state["momentum"], state["velocity"]


def _rates(group: dict[str, Any], number: int, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Give the rate, and the rate with the correction of the moments, rounded as Keras rounds them."""
    of: dict[str, Any] = {"dtype": weight.dtype, "device": weight.device}
    beta_1, beta_2, step = (torch.tensor(value, **of) for value in (*group["betas"], float(number)))
    lr = torch.tensor(group["lr"], dtype=torch.float32).to(weight)  # Keras keeps its rate as float32
    return lr, lr * torch.sqrt(1 - beta_2**step) / (1 - beta_1**step)
