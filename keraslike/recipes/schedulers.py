"""What `schedule=` may name: our words, transformers' and torch's schedulers, and the arguments that each takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import Parameter, isfunction, signature
from typing import Any

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from keraslike.calling import did_you_mean, name_of
from keraslike.errors import ArgumentError
from keraslike.recipes.rates import Every
from keraslike.recipes.unfit_schedulers import OF_STEPS, PARTIAL, UNFIT, check_optimizer, refuse_plateau, try_out

NAMES = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "inverse_sqrt",
    "constant",
    "one_cycle",
    "plateau",
)
"""The schedules that need no more than a warm-up and a number of updates; "plateau" watches the validation."""

FILLED = ("num_warmup_steps", "num_training_steps", "T_max", "total_steps", "max_lr")
"""Arguments that the run fills where they are missing."""


@dataclass
class Asked:
    """A scheduler as it was asked for.

    Attributes:
        name: what it is called in messages.
        factory: the class or function that makes it, given the optimizer.
        given: the arguments that the user chose.
        every: when it is stepped.
        takes: the parameters of the factory beside the optimizer, by name.
    """

    name: str
    factory: Callable[..., Any]
    given: dict[str, Any] = field(default_factory=dict)
    every: Every = "update"

    def __post_init__(self) -> None:
        found = list(signature(self.factory).parameters.values())
        named = [p for p in found if p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
        self.is_optimizer_named = any(p.name == "optimizer" for p in named)
        rest = (
            named if self.is_optimizer_named or any(p.kind is Parameter.POSITIONAL_ONLY for p in found) else named[1:]
        )
        self.takes = {p.name: p for p in rest if p.name != "optimizer"}
        self.takes_any = any(p.kind is Parameter.VAR_KEYWORD for p in found)

    def lacks(self, name: str) -> bool:
        """Tell whether the factory takes this argument, and has no value for it."""
        is_open = name in self.takes and self.takes[name].default in (Parameter.empty, None)
        return is_open and self.given.get(name) is None

    @property
    def own_warmup(self) -> str | None:
        """The name of the factory's own argument for a warm-up, if it has one."""
        return next((name for name in ("num_warmup_steps", "pct_start") if name in self.takes), None)

    @property
    def open_names(self) -> set[str]:
        """The arguments that the run has to fill."""
        names = {name for name in FILLED if self.lacks(name)}
        if "num_stable_steps" in self.given:
            names.discard("num_training_steps")
        if {"epochs", "steps_per_epoch"} <= set(self.given):
            names.discard("total_steps")
        return names

    def check(self) -> "Asked":
        """Refuse arguments that the factory does not take, and the lack of those that it needs.

        Raises:
            ArgumentError: an argument is misspelt, or missing.
        """
        choices = [*self.takes, "every", "warmup"]
        for name in self.given:
            if name not in self.takes and not self.takes_any:
                raise ArgumentError(
                    f"the schedule {self.name} has no argument {name!r}.",
                    f"one of {', '.join(choices)}.",
                    did_you_mean(name, choices),
                )
        missing = [
            name
            for name, parameter in self.takes.items()
            if parameter.default is Parameter.empty and name not in self.given and name not in FILLED
        ]
        if missing:
            shown = ", ".join(f'"{name}": ...' for name in missing)
            is_named = self.name.isidentifier()
            raise ArgumentError(
                f"the schedule {self.name} needs {' and '.join(missing)}.",
                f"values for its arguments {', '.join(self.takes)}.",
                f'write schedule={{"name": "{self.name}", {shown}}}.' if is_named else PARTIAL,
            )
        return self

    def make(self, filled: Mapping[str, Any], optimizer: Optimizer) -> Any:
        """Make the scheduler for an optimizer.

        Args:
            filled: the arguments that the run knows.
            optimizer: its groups' own rates are the highest, where the factory asks for those.

        Raises:
            ArgumentError: its arguments are of no use, or it is no scheduler that can be stepped by itself.
        """
        arguments = {**filled, **self.given}
        if "max_lr" in self.open_names:
            arguments["max_lr"] = [group["lr"] for group in optimizer.param_groups]
        if "cycle_momentum" in self.takes and not {"momentum", "betas"} & set(optimizer.defaults):
            arguments.setdefault("cycle_momentum", False)
        place = {"optimizer": optimizer} if self.is_optimizer_named else {}
        try:
            made = self.factory(*(() if place else (optimizer,)), **place, **arguments)
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
            raise ArgumentError(
                f"the schedule {self.name} cannot be made: {str(error)[:200]}",
                f"arguments that suit it; it was given {arguments}.",
                OF_STEPS if isfunction(self.factory) else "look at these arguments.",
            ) from error
        refuse_plateau(made)
        if not all(hasattr(made, name) for name in ("step", "state_dict", "load_state_dict")):
            raise ArgumentError(
                f"the schedule {self.name} gave {made!r:.60}, which is no scheduler.",
                "an object with step, state_dict and load_state_dict, such as those of torch.",
                OF_STEPS
                if isinstance(made, (int, float))
                else "write def schedule(optimizer): return torch.optim.lr_scheduler.StepLR(optimizer, 10).",
            )
        return check_optimizer(made, optimizer)

    def try_out(self, filled: Mapping[str, Any]) -> None:
        """Refuse arguments that a scheduler of torch's looks at only in its first step.

        Args:
            filled: the arguments that the run knows.

        Raises:
            ArgumentError: it cannot take the step.
        """
        if str(getattr(self.factory, "__module__", "")).startswith("torch.") and "lr_lambda" not in self.takes:
            try_out(self.name, partial(self.make, filled), self.given)


def asked_for(schedule: Any, given: Mapping[str, Any] | None = None, every: Every = "update") -> Asked:
    """Give the scheduler that a name, a class, a function or a partial means.

    Args:
        schedule: the name or what makes it.
        given: its arguments.
        every: when it is stepped.

    Raises:
        ArgumentError: no scheduler has this name, or it does not take these arguments.

    Example:
        >>> asked_for("StepLR", {"step_size": 2}).factory.__name__
        'StepLR'
    """
    if isinstance(schedule, str):
        factory: Any
        name = str(getattr(schedule, "value", schedule))  # transformers' SchedulerType is a str too
        factory = _by_name(name)
    else:
        name, factory = name_of(schedule), schedule
        _refuse_unfit(name)
        _refuse_other(schedule)
    chosen = dict(given or {})
    if isinstance(factory, partial) and not factory.args:
        factory, chosen = factory.func, {**factory.keywords, **chosen}
    return Asked(name, factory, chosen, every).check()


def _by_name(name: str) -> Callable[..., Any]:
    """Find what makes the scheduler of a name: ours, torch's, or transformers'."""
    plain = name.replace("-", "_")
    if plain == "one_cycle":
        return lr_scheduler.OneCycleLR
    _refuse_unfit(name)
    in_torch = torch_schedulers()
    if name in in_torch:
        return in_torch[name]
    theirs = transformers_schedules()
    if plain in theirs:
        return theirs[plain]
    choices = [*NAMES, *theirs, *in_torch]
    raise ArgumentError(
        f"there is no schedule {name!r}.",
        f"one of {', '.join(NAMES)}, or the name of a scheduler of torch or transformers.",
        did_you_mean(name, list(dict.fromkeys(choices))),
    )


def torch_schedulers() -> dict[str, Callable[..., Any]]:
    """Give torch's schedulers by their names, without those that cannot be made by name.

    Example:
        >>> "StepLR" in torch_schedulers(), "ReduceLROnPlateau" in torch_schedulers()
        (True, False)
    """
    kinds = {name: kind for name, kind in vars(lr_scheduler).items() if isinstance(kind, type)}
    return {
        name: kind
        for name, kind in kinds.items()
        if issubclass(kind, LRScheduler) and name not in UNFIT and not name.startswith("_")
    }


def transformers_schedules() -> dict[str, Callable[..., Any]]:
    """Give transformers' schedules by the names of `SchedulerType` and of their functions.

    "constant" is the one with a warm-up, which without one is the same.

    Example:
        >>> "cosine_with_min_lr" in transformers_schedules(), "get_wsd_schedule" in transformers_schedules()
        (True, True)
    """
    from transformers import optimization

    makers: dict[Any, Any] = optimization.TYPE_TO_SCHEDULER_FUNCTION
    by_type = {kind.value: make for kind, make in makers.items()}
    by_function = {make.__name__: make for make in by_type.values()}
    found = {**by_type, **by_function, "constant": optimization.get_constant_schedule_with_warmup}
    return {name: make for name, make in found.items() if name not in UNFIT}


def _refuse_unfit(name: str) -> None:
    if name in UNFIT:
        raise ArgumentError(
            f"the schedule {name!r} cannot be stepped by itself.",
            f"one of {', '.join(NAMES)}, or another scheduler of torch or transformers.",
            UNFIT[name],
        )


def _refuse_other(schedule: Any) -> None:
    """Answer a callback, or anything else, where a scheduler is asked for."""
    kind = schedule if isinstance(schedule, type) else type(schedule)
    is_callback = hasattr(kind, "on_train_begin")
    is_right = issubclass(kind, LRScheduler) if isinstance(schedule, type) else callable(schedule)
    if is_callback or not is_right:
        raise ArgumentError(
            f"schedule={schedule!r:.60} is {'a callback, and' if is_callback else ''} no scheduler.".replace("  ", " "),
            "a name, a class derived from torch.optim.lr_scheduler.LRScheduler, a function of the optimizer, or rates.",
            f"write callbacks=[{kind.__name__}(...)]." if is_callback else 'write schedule="cosine".',
        )
