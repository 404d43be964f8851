"""What a training leaves: a list of dicts, one per epoch, that also knows how the run went."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, overload

from keraslike.tracking.curves import Series, draw_figure, draw_rates, rate_series, save_figure, text_curve
from keraslike.tracking.figures import figures_of, number
from keraslike.tracking.logs import plain
from keraslike.tracking.table import text_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from keraslike.data.batches import Part

Row = dict[str, Any]


class History(list[Row]):
    """The epochs of a run: a list of dicts with Poutyne's keys, and Keras' `.history` and `.epoch` beside it.

    It compares equal to a plain list of the same dicts, prints as a table with a curve of the loss, and adds up:
    `first + second` has the rows and rates of both. A slice has the seed and the chosen rows.

    Args:
        rows: one dict per epoch, with `epoch` (from 1), `time` (seconds), `loss`, metrics, `val_loss`, `val_...`.
        seed: the seed that makes the run again.
        learning_rates: the rate of the first parameter group, one per optimizer step.
        group_rates: the rates of all parameter groups, a list per optimizer step; empty ones where they are all
            the same in the whole run.
        stop_reason: why the run ended before its last epoch; None if it did not.
        validations: one dict per validation where there are some inside the epochs: `epoch`, `update` (optimizer steps
            of the run so far), `val_loss`, `val_...`.
        best: the validation that early stopping found best, such a dict too; None where nobody looked.
        skipped: one dict per optimizer step that was left out because a loss or a gradient was not finite: `epoch`,
            `batch`, `rows` (numbers of the user's rows, or None), `loss`, `parameter` (the first one, or None).
        tokens_real: tokens that went through the network in training, padding not counted; 0 where there are none.
        tokens_sent: the same with padding.

    Example:
        >>> history = History([{"epoch": 1, "time": 2.0, "loss": 0.5}, {"epoch": 2, "time": 2.0, "loss": 0.25}])
        >>> history[-1]["loss"], history.history["loss"], history.epoch
        (0.25, [0.5, 0.25], [1, 2])
        >>> history
        <History: 2 epochs, loss 0.2500>
    """

    def __init__(
        self,
        rows: Iterable[Mapping[str, Any]] = (),
        *,
        seed: int | None = None,
        learning_rates: Iterable[float] = (),
        group_rates: Iterable[Iterable[float]] = (),
        stop_reason: str | None = None,
        validations: Iterable[Mapping[str, Any]] = (),
        best: Mapping[str, Any] | None = None,
        skipped: Iterable[Mapping[str, Any]] = (),
        tokens_real: int = 0,
        tokens_sent: int = 0,
    ) -> None:
        super().__init__(dict(row) for row in rows)
        self.seed = seed
        self.learning_rates = list(learning_rates)
        self.group_rates = [list(rates) for rates in group_rates]
        self.stop_reason = stop_reason
        self.validations = [dict(row) for row in validations]
        self.best = None if best is None else dict(best)
        self.skipped = [dict(step) for step in skipped]
        self.tokens_real = tokens_real
        self.tokens_sent = tokens_sent

    @property
    def skipped_steps(self) -> int:
        """How many optimizer steps were left out."""
        return len(self.skipped)

    @property
    def padding(self) -> float:
        """The share of padding among the tokens that were sent, 0 to 1; 0 where there were no tokens.

        Example:
            >>> History(tokens_real=75, tokens_sent=100).padding
            0.25
        """
        return 1 - self.tokens_real / self.tokens_sent if self.tokens_sent else 0.0

    def keep_rates(self, rates: list[float]) -> None:
        """Keep the rates of the parameter groups at an optimizer step.

        Example:
            >>> history = History()
            >>> history.keep_rates([0.1, 0.1])
            >>> history.keep_rates([0.1, 0.2])
            >>> history.learning_rates, history.group_rates
            ([0.1, 0.1], [[0.1, 0.1], [0.1, 0.2]])
        """
        self.learning_rates.append(rates[0])
        is_alike = rates.count(rates[0]) == len(rates)  # a few times faster than all(...), at every step
        is_told = bool(self.group_rates and self.group_rates[-1])
        if not is_alike and not is_told:
            self.group_rates = [[rate] * len(rates) for rate in self.learning_rates[:-1]]
        self.group_rates.append([] if is_alike and not is_told else list(rates))

    def forget_rates(self) -> None:
        """Take the last optimizer step out again."""
        self.learning_rates.pop()
        self.group_rates.pop()

    def count_tokens(self, parts: Iterable["Part"]) -> None:
        """Add the tokens of the parts of a batch."""
        for part in parts:
            self.tokens_real += part.real_tokens
            self.tokens_sent += part.sent_tokens

    @property
    def history(self) -> dict[str, list[Any]]:
        """The values by name, one per epoch, as Keras gives them; nan where an epoch lacks one."""
        names = dict.fromkeys(name for row in self for name in row if name != "epoch")
        return {name: [row.get(name, float("nan")) for row in self] for name in names}

    @property
    def epoch(self) -> list[int]:
        """The numbers of the epochs, from 1."""
        return [row["epoch"] for row in self]

    def plot(self, path: str | Path | None = None) -> "Figure":
        """Draw the loss and each metric over the epochs, training and validation in one panel.

        Args:
            path: a file to write, in the format that its ending says, such as .png, .svg or .pdf. None writes nothing.

        Returns:
            The figure, which a notebook shows by itself.

        Raises:
            MissingDependencyError: matplotlib is not installed.
            ArgumentError: there is no format with this ending.
            DataError: there is no epoch yet.
        """
        figure = draw_figure(self.epoch, self._series())
        if path is not None:
            save_figure(figure, Path(path))
        return figure

    def plot_learning_rates(self, path: str | Path | None = None) -> "Figure":
        """Draw the learning rate over the optimizer steps; a line for each parameter group that has its own.

        Args:
            path: as in `plot`.

        Returns:
            The figure, which a notebook shows by itself.

        Raises:
            MissingDependencyError: matplotlib is not installed.
            ArgumentError: there is no format with this ending.
            DataError: no step was taken yet.
        """
        figure = draw_rates(rate_series(self.learning_rates, self.group_rates))
        if path is not None:
            save_figure(figure, Path(path))
        return figure

    def to_pandas(self) -> "pd.DataFrame":
        """Give a table with a row per epoch and a column per name.

        Example:
            >>> History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]).to_pandas().shape
            (2, 2)
        """
        import pandas as pd

        return pd.DataFrame(list(self))

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain data, which `json` can write and `from_json` reads.

        Example:
            >>> History.from_json(History([{"epoch": 1, "loss": 0.5}], seed=7).to_json()).seed
            7
        """
        return {
            "rows": [{name: plain(value) for name, value in row.items()} for row in self],
            "seed": self.seed,
            "learning_rates": list(self.learning_rates),
            "group_rates": [list(rates) for rates in self.group_rates],
            "stop_reason": self.stop_reason,
            "validations": [{name: plain(value) for name, value in row.items()} for row in self.validations],
            "best": None if self.best is None else {name: plain(value) for name, value in self.best.items()},
            "skipped": [dict(step) for step in self.skipped],
            "tokens_real": self.tokens_real,
            "tokens_sent": self.tokens_sent,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Give the history that `to_json` told."""
        return cls(**value)

    def copy(self) -> Self:
        """Give an independent history of the same run; values within the rows are shared."""
        return type(self)(self, **self._beside())

    def __add__(self, other: list[Any]) -> Self:  # type: ignore[override]  # list allows lists of anything here
        total = self.copy()
        total += other
        return total

    def __iadd__(self, other: Iterable[Row]) -> Self:  # type: ignore[misc,override]  # as above
        self.extend(dict(row) for row in other)
        if isinstance(other, History):
            self.seed = other.seed if self.seed is None else self.seed
            self.learning_rates += other.learning_rates
            self.group_rates += other.group_rates
            self.stop_reason = other.stop_reason
            self.validations += other.validations
            self.best = self.best if other.best is None else other.best
            self.skipped += other.skipped
            self.tokens_real += other.tokens_real
            self.tokens_sent += other.tokens_sent
        return self

    @overload
    def __getitem__(self, index: SupportsIndex) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Row | Self:
        if isinstance(index, slice):
            return type(self)(super().__getitem__(index), seed=self.seed)
        return super().__getitem__(index)

    def __repr__(self) -> str:
        last = figures_of(self[-1]) if self else {}
        losses = [f"{name} {number(last[name])}" for name in ("loss", "val_loss") if name in last]
        epochs = "1 epoch" if len(self) == 1 else f"{len(self)} epochs"
        return f"<History: {', '.join([epochs, *losses])}>"

    def __str__(self) -> str:
        if not self:
            return "History: no epochs yet."
        losses = [series for series in self._series() if series.name in {"loss", "val_loss"}]
        parts = [text_table(list(self)), text_curve(self.epoch, losses)]
        if self.skipped:
            parts.append(f"Skipped: {self.skipped_steps} optimizer steps, because a loss or gradient was not finite")
        if self.stop_reason:
            parts.append(f"Stopped: {self.stop_reason}")
        return "\n\n".join(part for part in parts if part)

    def _series(self) -> list[Series]:
        names = dict.fromkeys(name for row in self for name in figures_of(row))
        return [Series(name, [float(row.get(name, "nan")) for row in self]) for name in names]

    def _beside(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "learning_rates": self.learning_rates,
            "group_rates": self.group_rates,
            "stop_reason": self.stop_reason,
            "validations": self.validations,
            "best": self.best,
            "skipped": self.skipped,
            "tokens_real": self.tokens_real,
            "tokens_sent": self.tokens_sent,
        }
