"""One case or more for each loss: what torch computes, of what, and what its mean is over, counted by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from keraslike.losses import LOSSES, Loss

WEIGHT = torch.tensor([0.5, 1.0, 2.5], dtype=torch.float64)
POSITIVE = torch.tensor([1.5, 1.0, 3.0], dtype=torch.float64)
INDICES = torch.tensor([0, 2, -100, -100, -100, 1, 1, 0, 2, -100, 1])
CLASSES = INDICES % 3
YES_NO = torch.tensor([[0, 1, 1], [1, 0, 0]] * 5 + [[1, 1, 1]], dtype=torch.float64)
SIGNS = torch.tensor([1, -1, -1, 1, 1, -1, 1, -1, 1, 1, -1], dtype=torch.float64)
TOKENS = torch.where(torch.arange(4) < torch.tensor([1, 4, 0, 0, 2, 3, 4, 4, 1, 2, 3])[:, None], CLASSES[:, None], -100)
SPEECH = torch.where(
    torch.arange(3) < torch.tensor([1, 2, 1, 3, 1, 2, 2, 1, 3, 1, 2])[:, None], 1 + CLASSES[:, None], -100
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(11, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


PROBABILITIES = torch.softmax(random(3, seed=1), 1)


def plain(own: nn.Module, outputs: Any, targets: Any) -> Tensor:
    return own(*outputs, targets) if isinstance(outputs, tuple) else own(outputs, targets)


def gaussian(own: nn.Module, outputs: Any, targets: Any) -> Tensor:
    return own(outputs[0], targets, outputs[1])


def triplet(own: nn.Module, outputs: Any, targets: Any) -> Tensor:
    return own(*outputs)


def speech(own: nn.Module, outputs: Any, targets: Any) -> Tensor:
    lengths = torch.full((len(outputs),), outputs.shape[1])
    return own(outputs.transpose(0, 1), targets.clamp_min(0), lengths, (targets > 0).sum(1))


@dataclass
class Case:
    name: str
    own: type[nn.Module]
    targets: Any
    counts: list[float]
    options: dict[str, Any] = field(default_factory=dict)
    ours: dict[str, Any] = field(default_factory=dict)
    outputs: Any = field(default_factory=lambda: random(3))
    activate: Callable[[Any], Any] = lambda outputs: outputs
    call: Callable[[nn.Module, Any, Any], Tensor] = plain

    def loss(self) -> Loss:
        return LOSSES[self.name](**self.options, **self.ours)

    def module(self, **options: Any) -> nn.Module:
        return self.own(**self.options, **options)

    def leaves(self, dtype: torch.dtype = torch.float64) -> Any:
        """Give fresh outputs, before the activation, that want a gradient."""
        if isinstance(self.outputs, tuple):
            return tuple(output.to(dtype).clone().requires_grad_() for output in self.outputs)
        return self.outputs.to(dtype).clone().requires_grad_()

    def typed(self, dtype: torch.dtype) -> Any:
        is_float = isinstance(self.targets, Tensor) and self.targets.is_floating_point()
        return self.targets.to(dtype) if is_float else self.targets


ONES = [1.0] * 11
THREES = [3.0] * 11
PAIRS = (random(4), random(4, seed=1))
LABELLED = [float(label != -100) for label in INDICES.tolist()]


def positive(outputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return outputs[0], outputs[1].exp()


CASES: dict[str, Case] = {
    "indices": Case("cross_entropy", nn.CrossEntropyLoss, INDICES, LABELLED),
    "weighted": Case(
        "cross_entropy",
        nn.CrossEntropyLoss,
        INDICES,
        [0 if label < 0 else WEIGHT[label].item() for label in INDICES.tolist()],
        {"weight": WEIGHT},
    ),
    "other ignored index": Case(
        "cross_entropy",
        nn.CrossEntropyLoss,
        CLASSES,
        [0 if label == 1 else WEIGHT[label].item() for label in CLASSES.tolist()],
        {"weight": WEIGHT, "ignore_index": 1},
    ),
    "smoothed": Case("cross_entropy", nn.CrossEntropyLoss, INDICES, LABELLED, {"label_smoothing": 0.1}),
    "smoothed, weighted": Case(
        "cross_entropy",
        nn.CrossEntropyLoss,
        INDICES,
        [0 if label < 0 else WEIGHT[label].item() for label in INDICES.tolist()],
        {"weight": WEIGHT, "label_smoothing": 0.1},
    ),
    "probabilities": Case("cross_entropy", nn.CrossEntropyLoss, PROBABILITIES, ONES),
    "weighted probabilities": Case("cross_entropy", nn.CrossEntropyLoss, PROBABILITIES, ONES, {"weight": WEIGHT}),
    "tokens": Case(
        "cross_entropy",
        nn.CrossEntropyLoss,
        TOKENS,
        [1, 4, 0, 0, 2, 3, 4, 4, 1, 2, 3],
        outputs=random(3, 4),
    ),
    "log-probabilities": Case(
        "nll",
        nn.NLLLoss,
        INDICES,
        [0 if label < 0 else WEIGHT[label].item() for label in INDICES.tolist()],
        {"weight": WEIGHT},
        activate=lambda x: x.log_softmax(1),
    ),
    "yes or no": Case("bce_with_logits", nn.BCEWithLogitsLoss, YES_NO, THREES),
    "weighted yes or no": Case(
        "bce_with_logits", nn.BCEWithLogitsLoss, YES_NO, THREES, {"weight": WEIGHT, "pos_weight": POSITIVE}
    ),
    "probable yes or no": Case("bce", nn.BCELoss, YES_NO, THREES, {"weight": WEIGHT}, activate=torch.sigmoid),
    "squared error": Case("mse", nn.MSELoss, PROBABILITIES * 3, THREES),
    "absolute error": Case("l1", nn.L1Loss, PROBABILITIES * 3, THREES),
    "smooth error": Case("smooth_l1", nn.SmoothL1Loss, PROBABILITIES * 3, THREES, {"beta": 0.7}),
    "Huber": Case("huber", nn.HuberLoss, PROBABILITIES * 3, THREES, {"delta": 0.7}),
    "Poisson": Case("poisson_nll", nn.PoissonNLLLoss, (PROBABILITIES * 9).round(), THREES, {"full": True}),
    "Gauss": Case(
        "gaussian_nll",
        nn.GaussianNLLLoss,
        PROBABILITIES,
        THREES,
        {"full": True},
        outputs=(random(3), random(3, seed=2)),
        activate=positive,
        call=gaussian,
    ),
    "divergence": Case("kl_div", nn.KLDivLoss, PROBABILITIES, THREES, activate=lambda x: x.log_softmax(1)),
    "divergence of batches": Case(
        "kl_div",
        nn.KLDivLoss,
        PROBABILITIES.log(),
        ONES,
        {"log_target": True, "reduction": "batchmean"},
        activate=lambda x: x.log_softmax(1),
    ),
    "hinge": Case("hinge_embedding", nn.HingeEmbeddingLoss, SIGNS, ONES, {"margin": 0.8}, outputs=random()),
    "soft margin": Case("soft_margin", nn.SoftMarginLoss, SIGNS, ONES, outputs=random()),
    "margins": Case("multi_margin", nn.MultiMarginLoss, CLASSES, ONES, {"p": 2, "weight": WEIGHT}),
    "several margins": Case(
        "multilabel_margin",
        nn.MultiLabelMarginLoss,
        torch.tensor([[0, 2, -1], [1, -1, 0], [-1, 0, 1]] * 3 + [[2, 1, 0], [2, -1, -1]]),
        ONES,
    ),
    "several soft margins": Case(
        "multilabel_soft_margin", nn.MultiLabelSoftMarginLoss, YES_NO, ONES, {"weight": WEIGHT}
    ),
    "ranking": Case(
        "margin_ranking", nn.MarginRankingLoss, SIGNS, ONES, {"margin": 0.3}, outputs=(random(), random(seed=1))
    ),
    "cosine": Case("cosine_embedding", nn.CosineEmbeddingLoss, SIGNS, ONES, {"margin": 0.1}, outputs=PAIRS),
    "triplets": Case(
        "triplet_margin",
        nn.TripletMarginLoss,
        torch.zeros(11),
        ONES,
        {"margin": 2.0, "swap": True},
        outputs=(*PAIRS, random(4, seed=2)),
        call=triplet,
    ),
    "triplets by distance": Case(
        "triplet_margin_with_distance",
        nn.TripletMarginWithDistanceLoss,
        torch.zeros(11),
        ONES,
        {"distance_function": nn.PairwiseDistance(p=1)},
        outputs=(*PAIRS, random(4, seed=2)),
        call=triplet,
    ),
    "speech": Case(
        "ctc",
        nn.CTCLoss,
        SPEECH,
        ONES,
        ours={"batch_first": True},
        outputs=random(7, 4),
        activate=lambda x: x.log_softmax(-1),
        call=speech,
    ),
}
