"""Cuts the learning rate where the validation gets no better, as flair trains."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Literal

from poutyne import Callback

from keraslike.calling import did_you_mean, parameters_of
from keraslike.engine.watching import chosen_mode
from keraslike.errors import ArgumentError

USUAL_SHARE = 1e-3
"""Training stops below this share of the first rate: flair stops below 1e-4, having begun at 0.1."""

_OTHER_WORDS = {
    "anneal_factor": "factor",
    "metric": "monitor",
    "min_lr": "min_learning_rate",
    "auxiliary_metric": "second",
    "anneal_mode": "mode",
}

_ANSWERS = {
    "threshold": "leave it out: a value is better if it is better at all.",
    "threshold_mode": "leave it out: a value is better if it is better at all.",
    "cooldown": "leave it out: after a cut the count begins anew.",
    "eps": "leave it out: every cut counts.",
    "every": "leave it out: validations are counted.",
}


class AnnealOnPlateau(Callback):
    """Multiplies the learning rate by `factor` when so many validations in a row were no better than the best before.

    The rule is flair's, not torch's: better is strictly better, without a threshold; where two values are equal to the
    last bit, a second one decides; an extra patience lasts until the first cut. Every validation counts, also those
    inside an epoch. In `fit`, `schedule="plateau"` or `schedule={"name": "plateau", ...}` is the same. The recipe's own
    schedule is then off, and after the run the rates are put back, so that a second `fit` begins with them.

    Args:
        monitor: the name of the value that is watched, as in the history, such as "val_loss" or "val_accuracy"; a value
            of the training, such as "loss", is looked at after each epoch.
        mode: "min" where smaller is better, "max" where larger is; "auto" tells it from the name.
        factor: what the rate is multiplied by, between 0 and 1.
        patience: so many validations in a row may be no better; the next such one cuts.
        initial_extra_patience: so many more until the first cut.
        second: the name of a value of which smaller is better, which decides exact ties; "auto" is the loss beside
            `monitor`; None: a tie is no better.
        min_learning_rate: a cut below it ends the training, and `history.stop_reason` says so. Default: a thousandth of
            the rate that the run began with.

    Attributes:
        best: the best value so far; None before the first.
        bad_validations: validations since then, or since the last cut.
        cuts: how often the rate was cut.
        stop_reason: why it ended the training; None if it did not.

    Raises:
        ArgumentError: an argument is out of range, or the name does not tell which direction is better.

    Source:
        Akbik et al. (2019), "FLAIR: An easy-to-use framework for state-of-the-art NLP"; flair ignores cuts of less than
        1e-8, and takes a second value of exactly 0 for none, which this does not.

    Example:
        >>> anneal = AnnealOnPlateau("val_accuracy", patience=1)
        >>> [anneal.look({"val_accuracy": value}) for value in (0.5, 0.4, 0.5, 0.6)]
        [False, False, True, False]
    """

    moves_the_rate = True

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        mode: Literal["auto", "min", "max"] = "auto",
        factor: float = 0.5,
        patience: int = 3,
        initial_extra_patience: int = 0,
        second: str | None = "auto",
        min_learning_rate: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Poutyne is untyped
        self.monitor, self.mode = monitor, chosen_mode(monitor, mode, 'AnnealOnPlateau({!r}, mode="{}")')
        _check(factor=factor, patience=patience, extra=initial_extra_patience, smallest=min_learning_rate)
        self.factor, self.patience, self.initial_extra_patience = float(factor), patience, initial_extra_patience
        self.second = second
        if second not in ("auto", None) and str(second).startswith("val_") is not monitor.startswith("val_"):
            raise ArgumentError(
                f"second={second!r} and monitor={monitor!r} are not measured together.",
                'two values of the validation ("val_..."), or two of the training.',
                "write second=None, or leave it out.",
            )
        self.min_learning_rate = min_learning_rate
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.best: float | None = None
        self.best_second: float | None = None
        self.bad_validations = 0
        self.cuts = 0
        self.stop_reason: str | None = None
        self._is_loaded, self._hears_validations = False, False
        self._may_fall: list[bool] = []

    # What Poutyne and the loop call

    def on_train_begin(self, logs: dict[str, Any]) -> None:
        """Forget what an earlier run has left, unless its state was loaded; look at the rates.

        Raises:
            ArgumentError: all rates are below the smallest one already.
        """
        if not self._is_loaded:
            self._begin_anew()
        self._is_loaded = False
        smallest, rates = self.min_learning_rate, self._rates()
        self._may_fall = [smallest is None or rate >= smallest for rate in rates]
        if not any(self._may_fall):
            raise ArgumentError(
                f"the learning rate {max(rates):.4g} is below min_learning_rate={smallest} from the first step on.",
                "a smallest rate below the first one.",
                "leave min_learning_rate out: then it is a thousandth of the first rate.",
            )

    def on_validation_end(self, row: Mapping[str, Any]) -> None:
        """Look at a validation, inside an epoch or after it."""
        if self.monitor in row:
            self._hears_validations = True
            self.look(row)

    def on_epoch_end(self, epoch_number: int, logs: Mapping[str, Any]) -> None:
        """Look at an epoch, where its validation was not looked at on its own."""
        if not self._hears_validations:
            self.look(logs)

    # The rule

    def look(self, row: Mapping[str, Any]) -> bool:
        """Count a validation, and cut the rate where it is time to.

        Args:
            row: its values by name.

        Returns:
            whether the rate was cut.

        Raises:
            ArgumentError: a value is not there.
        """
        value, second = self._value(row, self.monitor), self._second(row)
        if self._is_better(value, second):
            self.best, self.best_second, self.bad_validations = value, second, 0
            return False
        self.bad_validations += 1
        if self.bad_validations <= self.patience + (self.initial_extra_patience if self.cuts == 0 else 0):
            return False
        self.bad_validations = 0
        self._cut()
        return True

    def state(self) -> dict[str, Any]:
        """Give what changes in a run, as plain data that JSON can hold.

        Example:
            >>> AnnealOnPlateau().state()
            {'best': None, 'best_second': None, 'bad_validations': 0, 'cuts': 0}
        """
        return {
            "best": self.best,
            "best_second": self.best_second,
            "bad_validations": self.bad_validations,
            "cuts": self.cuts,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave, before the training begins or in it."""
        self.best, self.best_second = state["best"], state["best_second"]
        self.bad_validations, self.cuts = state["bad_validations"], state["cuts"]
        self._is_loaded = True

    def _is_better(self, value: float, second: float | None) -> bool:
        if self.best is None:
            return value < math.inf if self.mode == "min" else value > -math.inf
        if value == self.best:
            return second is not None and (self.best_second is None or second < self.best_second)
        return value < self.best if self.mode == "min" else value > self.best

    def _value(self, row: Mapping[str, Any], name: str) -> float:
        if name not in row:
            known = [known for known in row if known not in ("epoch", "time", "update")]
            raise ArgumentError(
                f"the callback AnnealOnPlateau watches {name!r}, which there is not.",
                f"one of {', '.join(known)}.",
                did_you_mean(name, known),
            )
        return float(row[name])

    def _second(self, row: Mapping[str, Any]) -> float | None:
        if self.second == "auto":
            beside = "val_loss" if self.monitor.startswith("val_") else "loss"
            return float(row[beside]) if beside in row else None
        return None if self.second is None else self._value(row, self.second)

    # The rate

    def _groups(self) -> list[dict[str, Any]]:
        return [] if self.model is None else self.model.optimizer.param_groups

    def _rates(self) -> list[float]:
        """Give the rates of the groups, in a warm-up those that it leads to."""
        return [group.get("top_lr", group["lr"]) for group in self._groups()]

    def _cut(self) -> None:
        self.cuts += 1
        for group in self._groups():
            for name in ("lr", "top_lr") if "top_lr" in group else ("lr",):
                group[name] *= self.factor
        share = self.factor**self.cuts
        if self.min_learning_rate is None:
            is_low, lowest = share < USUAL_SHARE, f"a thousandth of the first rate, after {self.cuts} cuts"
        else:
            rates = zip(self._rates(), self._may_fall, strict=False)
            is_low = any(may_fall and rate < self.min_learning_rate for rate, may_fall in rates)
            lowest = f"min_learning_rate={self.min_learning_rate:g}, after {self.cuts} cuts"
        if is_low and self.model is not None:
            self.stop_reason = f"the learning rate {max(self._rates()):.4g} fell below {lowest}"
            self.model.stop_training = True


def annealing_of(schedule: Any) -> AnnealOnPlateau:
    """Give the callback that `schedule="plateau"`, a dict of that name, or the callback itself means.

    Raises:
        ArgumentError: an argument is not known.

    Example:
        >>> annealing_of({"name": "plateau", "patience": 5}).patience
        5
    """
    if isinstance(schedule, AnnealOnPlateau):
        return schedule
    given = dict(schedule) if isinstance(schedule, dict) else {}
    given = {name: value for name, value in given.items() if name not in ("name", "warmup")}
    choices = parameters_of(AnnealOnPlateau.__init__)
    for name in given:
        if name not in choices:
            ours = _OTHER_WORDS.get(name)
            raise ArgumentError(
                f"the schedule plateau has no argument {name!r}.",
                f"one of {', '.join([*choices, 'warmup'])}.",
                f"write {ours}=." if ours else _ANSWERS.get(name) or did_you_mean(name, choices),
            )
    return AnnealOnPlateau(**given)


def _check(*, factor: Any, patience: Any, extra: Any, smallest: Any) -> None:
    if isinstance(factor, bool) or not isinstance(factor, Real) or not 0 < float(factor) < 1:
        raise ArgumentError(
            f"factor={factor!r} does not lower a rate.", "a number between 0 and 1.", "write factor=0.5."
        )
    for name, value in (("patience", patience), ("initial_extra_patience", extra)):
        if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < 0:
            raise ArgumentError(f"{name}={value!r} is no number of validations.", "an int of at least 0.")
    if smallest is not None and (
        isinstance(smallest, bool) or not isinstance(smallest, Real) or not float(smallest) >= 0
    ):
        raise ArgumentError(f"min_learning_rate={smallest!r} is no rate.", "a number of at least 0, or None.")
