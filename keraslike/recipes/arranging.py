"""What a run sets up around its steps, and puts back at its end: rates, decay, and what is frozen."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from keraslike.engine.run import Run
from keraslike.recipes.freezing import Freezable, plan_freezing
from keraslike.recipes.groups import plan_rates, regrouped
from keraslike.recipes.optimizer import rate_put_back, set_rate_and_decay, take_in
from keraslike.recipes.reusing import check_cache, features_reused


@contextmanager
def arranged(
    model: Freezable, run: Run, learning_rate: Any, options: Mapping[str, Any], say: Callable[[list[str]], None]
) -> Iterator[None]:
    """Let a model's optimizer and network be as a run wants them.

    ::

        for good       parameters that learn now and did not before come into the optimizer; its rate and its decay
        for the run    rates of body and head and of the layers; what is frozen; where the schedule begins

    Args:
        model: the model.
        run: the run; it tells of each epoch what is frozen.
        learning_rate: as in `fit`.
        options: of fit: `weight_decay`, `layer_decay`, `freeze`, `unfreeze` and `cache`.
        say: prints lines.

    Raises:
        ArgumentError: one of them does not fit; then weights are as before, and rates too, see `undone_if_refused`.
    """
    fresh = getattr(getattr(model, "task", None), "fresh", ())
    rates = plan_rates(model.network, learning_rate, options.get("layer_decay"), fresh)
    take_in(model.optimizer, model.network)
    freezing = plan_freezing(model, options, run, fresh)
    check_cache(options.get("cache"), freezing)
    set_rate_and_decay(model.optimizer, learning_rate, options.get("weight_decay"))
    with freezing, regrouped(model.optimizer, rates):
        say(freezing.notes() if freezing.chosen.parameters else [])
        rate = rate_put_back(model.optimizer) if _moves_the_rate(run) else nullcontext()
        with rate, features_reused(model, run, freezing, options.get("cache")):
            yield


def _moves_the_rate(run: Run) -> bool:
    """Tell whether the run itself moves the rate; Poutyne's callbacks leave it where they end, as in Poutyne."""
    return run.schedule is not None or any(hasattr(callback, "moves_the_rate") for callback in run.callbacks.callbacks)
