"""When the features of a frozen body are computed once, and where they are kept."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from keraslike.engine.body_memo import BodyMemo
from keraslike.engine.feature_files import InFiles, fingerprint
from keraslike.engine.kept_features import Features, InMemory
from keraslike.engine.onlookers import is_asked_for_more, is_compiled, is_hooked, is_hooked_everywhere, is_plain_head
from keraslike.engine.run import Run
from keraslike.errors import ArgumentError
from keraslike.recipes.freezing import Freezing
from keraslike.recipes.layers import body_of, is_frozen
from keraslike.recipes.peak_memory import available_memory

SHARE = 4
"""Features take this part of the free memory at most."""

UNKNOWN = 2**30
"""Bytes that they take at most where nobody knows how much memory is free."""

HEADS = ("ForMultipleChoice", "ForSequenceClassification", "ForTokenClassification")
"""Heads of transformers whose loss does not depend on the outputs for padding; with a task none does."""


def check_cache(cache: Any, freezing: Freezing) -> None:
    """Refuse what is no folder, and a folder where nothing is frozen.

    Raises:
        ArgumentError: it is one of them.
    """
    if cache is None or cache is False:
        return
    if isinstance(cache, bool) or not isinstance(cache, (str, os.PathLike)) or not str(cache):
        raise ArgumentError(
            f"cache={cache!r} is no folder.",
            "the path of a folder for the features of a frozen body; in memory they are kept without it.",
            'write cache="features", or leave it out.',
        )
    if Path(cache).exists() and not Path(cache).is_dir():
        raise ArgumentError(
            f"cache={str(cache)!r} is a file.",
            "the path of a folder, which is made where there is none.",
            f'write cache="{Path(cache).stem}-features".',
        )
    if not freezing.chosen.parameters:
        raise ArgumentError(
            f"cache={str(cache)!r} is for the features of a frozen body, and nothing is frozen.",
            "a frozen body.",
            'write freeze="body" too, or leave cache= out.',
        )


@contextmanager
def features_reused(model: Any, run: Run, freezing: Freezing, cache: Any) -> Iterator[None]:
    """Let a frozen body compute the features of each row once inside, where that changes nothing.

    Args:
        model: the model, frozen already.
        run: the run.
        freezing: what is frozen.
        cache: as in `fit`; False: the body computes them anew in each epoch.
    """
    is_wanted = freezing.chosen.parameters and cache is not False and (cache is not None or _comes_again(run))
    why_not = _why_not(model, freezing) if is_wanted else None
    body = body_of(model.network)
    if why_not is not None and cache is not None:
        run.cutting.say(f"cache= is of no use: {why_not}.")
    if not is_wanted or why_not is not None or body is None:
        yield
        return
    if vars(model).get("_probe") is not None:
        freezing.reused = lambda: _memo(model, run, body, None).in_force()
        yield
        return
    memo = _memo(model, run, body, cache)
    freezing.at_epochs = memo.begin_epoch
    with memo.in_force():
        yield


def _memo(model: Any, run: Run, body: nn.Module, cache: Any) -> BodyMemo:
    """Give what stands before the body."""

    def step_back(why: str) -> None:
        if cache is not None:
            run.cutting.say(f"cache= is of no use from here on: the body is no function of each row alone, {why}.")

    apart = None if is_frozen(body) else body.pooler
    assert apart is None or isinstance(apart, nn.Module)  # `_why_not` looked
    features = _features(model, run, body, apart, cache)
    return BodyMemo(body, features, may_crop=_may_crop(model, body), apart=apart, on_step_back=step_back)


def _comes_again(run: Run) -> bool:
    """Tell whether rows go through the body more than once: in memory, features of one epoch are kept for nothing."""
    return run.epochs is None or run.epochs > run.initial_epoch or run.validate_every is not None


def _why_not(model: Any, freezing: Freezing) -> str | None:
    """Say in words why a body's features are another thing in each epoch; None where they stay."""
    if getattr(getattr(model, "task", None), "varies", False):
        return "the task varies its inputs in every epoch"
    if not freezing.is_for_good:
        return "layers of the body learn later"
    body = body_of(model.network)
    if body is None or not hasattr(body, "save_pretrained"):
        return "the network has no body of transformers"
    if body not in freezing.chosen.modules or not _is_frozen_but_pooler(body):
        return "the body is not frozen as a whole"
    if "forward" in vars(body) or is_hooked_everywhere() or any(map(is_hooked, body.modules())):
        return "something else hooks into the body"
    if is_asked_for_more(body, {}):
        return "its configuration asks for hidden states or attentions"
    around = {model.network, _head(model), *_head(model).modules()} - set(body.modules())
    if any(map(is_compiled, {body, *around})):
        return "the network is compiled, with the body in its graph"
    return "the network runs on several devices" if getattr(model, "other_device", None) else None


def _is_frozen_but_pooler(body: nn.Module) -> bool:
    pooler = getattr(body, "pooler", None)
    own: Collection[int] = {id(p) for p in pooler.parameters()} if isinstance(pooler, nn.Module) else ()
    return all(id(parameter) in own for parameter in body.parameters() if parameter.requires_grad)


def _may_crop(model: Any, body: nn.Module) -> bool:
    """Tell whether what stands behind the body does not look at padding: the heads of transformers do not."""
    is_listed = getattr(model, "task", None) is not None or type(_head(model)).__name__.endswith(HEADS)
    return is_listed and is_plain_head(model.network, body)


def _head(model: Any) -> nn.Module:
    """Give the transformer itself, head included."""
    head: nn.Module = getattr(model.network, "wrapped", model.network)
    return head


def _features(model: Any, run: Run, body: nn.Module, apart: nn.Module | None, cache: Any) -> Features:
    if cache is not None:
        folder = Path(cache).absolute() / fingerprint(body, apart, model.precision.name)
        return InFiles(folder, body, run.cutting.say)

    def tell(held: int) -> None:
        run.cutting.say(
            f"The features of the frozen body fill {held / 2**30:.2f} GiB of memory; those of further rows are "
            'computed in each epoch. cache="features" keeps all of them in files.'
        )

    devices = [next(body.parameters()).device] if model.is_on_accelerator else []
    places = [(device, _room(is_on_accelerator=True)) for device in devices]
    return InMemory([*places, (torch.device("cpu"), _room(is_on_accelerator=False))], tell)


def _room(*, is_on_accelerator: bool) -> int:
    free = available_memory(is_on_accelerator=is_on_accelerator)
    return UNKNOWN if free is None else free // SHARE
