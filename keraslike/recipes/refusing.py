"""A run that ends before its first step leaves the optimizer as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from keraslike.recipes.optimizer import decay_putter
from keraslike.recipes.unchanged import OptimizerSettings

P = ParamSpec("P")
R = TypeVar("R")


def undone_if_refused(train: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Let a model put its optimizer back where a run ends, by an error or an interrupt, before its first step.

    That is the optimizer itself, in whose place a recipe puts another, and its groups with their rates and decay.
    Arguments are refused in many places, the last of which is where the schedule is made, for rates that are set.

    Args:
        train: a method of the model; it keeps the rate of each step in `model.history`.
    """

    @wraps(train)
    def guarded(model: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with _put_back_if_refused(model):
            return train(model, *args, **kwargs)

    return guarded


@contextmanager
def _put_back_if_refused(model: Any) -> Iterator[None]:
    optimizer, steps = model.optimizer, len(model.history.learning_rates)
    put_backs: list[Callable[[], Any]] = []
    if optimizer is not None:  # which is an error inside
        settings = OptimizerSettings(optimizer)
        put_backs = [partial(setattr, model, "optimizer", optimizer), settings.put_back, decay_putter(optimizer)]
    try:
        yield
    except BaseException:
        if len(model.history.learning_rates) == steps:
            for put_back in put_backs:
                put_back()
        raise
