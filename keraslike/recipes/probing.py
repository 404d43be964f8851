"""The verbs that look ahead: they train for a few steps, and put everything back."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any, Protocol

from keraslike.calling import did_you_mean, parameters_of
from keraslike.engine.random_state import draw_seed
from keraslike.engine.run import Run
from keraslike.errors import ArgumentError
from keraslike.recipes.finding_batch_sizes import BatchSize, SizeProbe
from keraslike.recipes.finding_rates import RangeTest
from keraslike.recipes.forecasting import Go, Planner
from keraslike.recipes.options import FitOptions
from keraslike.recipes.plan import Plan
from keraslike.recipes.rate_curve import RateCurve
from keraslike.recipes.schedule import check_schedule
from keraslike.recipes.unchanged import all_put_back, sources_put_back
from keraslike.recipes.verbs import TrainingVerbs


class Probe(Protocol):
    """What stands where `fit` trains."""

    def look(self) -> None:
        """See how things are, before anything is done."""
        ...

    def start(self) -> None:
        """Take notice that `fit` is called now."""
        ...

    def __call__(self, model: Any, run: Run, go: Go, copies: int, /) -> None:
        """Try something out.

        Args:
            model: the model, or its twin.
            run: what `fit` would do; it may be changed.
            go: trains by a run.
            copies: bytes on the CPU that are held to put everything back.
        """
        ...


class PlanningVerbs(TrainingVerbs):
    """Looks ahead, and leaves no trace."""

    _probe: Callable[[Run], None] | None = None

    def plan(self, x: Any = None, y: Any = None, validation_data: Any = None, **arguments: Any) -> Plan:
        """Tell what `fit` with the same arguments would take: updates, time, memory, padding.

        A few steps are taken, by batches of few, of middling and of many tokens; a line through their times, drawn over
        the tokens, gives that of all coming batches, whose tokens are known. Validation is counted. Then everything is
        put back: weights, optimizer, random state. Callbacks are not called, and their time is not counted.

        Args:
            x: as in `fit`; not a generator, which can be read only once.
            y: as in `fit`.
            validation_data: as in `fit`.
            arguments: all other arguments of `fit`.

        Returns:
            What it will take. It prints as a few lines; `plan.minutes`, `plan.peak_bytes` and the rest are numbers.

        Raises:
            ArgumentError: as `fit`; or x is a generator, or the model has no optimizer.
            DataError: as `fit`; or nobody knows how long the run is.

        Example:
            >>> from torch import nn
            >>> from keraslike import Model
            >>> model = Model(nn.Linear(1, 1), "adamw", "mse", device="cpu")
            >>> model.plan([[1.0], [2.0], [3.0]], [[2.0], [4.0], [6.0]], batch_size=2, epochs=5).updates
            10
        """
        planner = Planner()
        while planner.found is None:
            self._look_ahead("plan", planner, x, y, validation_data, arguments)
        return planner.found

    def find_learning_rate(
        self,
        x: Any = None,
        y: Any = None,
        *,
        low: float = 1e-7,
        high: float = 10.0,
        updates: int = 100,
        **arguments: Any,
    ) -> RateCurve:
        """Look for a learning rate by a range test: it rises until the loss diverges.

        The steps are those that `fit` with the same arguments would begin with: the same batches, cut, clipped and
        accumulated alike; where an epoch has too few, the next one follows. Then everything is put back.

        Args:
            x: as in `fit`; not a generator, which can be read only once.
            y: as in `fit`.
            low: the first rate.
            high: the last rate, unless the loss diverges before. Rates of head and body keep their ratio; these are
                the higher ones.
            updates: optimizer steps from the one to the other.
            arguments: all other arguments of `fit`; those of its length and its schedule have no meaning here.

        Returns:
            The curve, with a `suggestion`; it prints as text and has a `plot`.

        Raises:
            ArgumentError: as `fit`; or x is a generator, there is no optimizer, or the range is none.
            DataError: as `fit`; or there were too few updates for a curve.
            NonFiniteError: the loss is not finite from the start.

        Example:
            >>> from torch import nn
            >>> from keraslike import Model
            >>> model = Model(nn.Linear(1, 1), "sgd", "mse", device="cpu")
            >>> curve = model.find_learning_rate([[1.0], [2.0]], [[2.0], [4.0]], seed=0)
            >>> 1e-4 < curve.suggestion < 1
            True
        """
        test = RangeTest(low, high, updates)
        validation_data = arguments.pop("validation_data", None)
        check_schedule(arguments.get("schedule"), is_built=True)
        given = {**arguments, "schedule": None, "warmup": 0}
        self._look_ahead("find_learning_rate", test, x, y, validation_data, given)
        assert test.found is not None  # or there was an error
        return test.found

    def find_batch_size(self, x: Any = None, y: Any = None, **arguments: Any) -> BatchSize:
        """Look for the largest micro-batch that fits into memory; `batch_size` stays the experiment's.

        Steps are taken of more and more of the longest examples at once. On an accelerator that is done until they do
        not fit; on a CPU, where a process that takes too much is killed, a line through the memory of small ones is
        followed as far as the memory lasts. A fifth of it is left free. Then everything is put back.

        Args:
            x: as in `fit`; not a generator, a loader or a stream.
            y: as in `fit`.
            arguments: all other arguments of `fit`.

        Returns:
            The number, with what it rests on; it prints as text.

        Raises:
            ArgumentError: as `fit`; or x is a generator, or the model has no optimizer.
            DataError: as `fit`; or the data come in batches of their own, or nobody says how much memory there is.
            OutOfMemoryError: not even one example fits.

        Example:
            >>> from torch import nn
            >>> from keraslike import Model
            >>> model = Model(nn.Linear(1, 1), "sgd", "mse", device="cpu")
            >>> model.find_batch_size([[1.0], [2.0], [3.0]], [[2.0], [4.0], [6.0]]).micro_batch_size
            3
        """
        probe = SizeProbe()
        self._look_ahead("find_batch_size", probe, x, y, arguments.pop("validation_data", None), arguments)
        assert probe.found is not None  # or there was an error
        return probe.found

    def train_run(self, run: Run) -> None:
        """Train, or let a probe do what it does instead."""
        if self._probe is None:
            super().train_run(run)
        else:
            self._probe(run)

    def _look_ahead(
        self, verb: str, probe: Probe, x: Any, y: Any, validation_data: Any, arguments: dict[str, Any]
    ) -> None:
        """Let a probe stand where `fit` trains, and put everything back; a model that is not built stays so."""
        self._refuse_misspelt(verb, arguments)
        _refuse_once_readable(x, validation_data)
        is_built = "network" in vars(self)
        if is_built and (self.optimizer is None or self.loss_function is None):
            self.fit(x, y, validation_data, **arguments)  # says what is missing
        probe.look()
        with sources_put_back([x, validation_data, *_drawing(arguments)]):
            seed = arguments.get("seed")
            chosen = {**arguments, "seed": draw_seed() if seed is None else seed, "callbacks": None, "verbose": 0}
            chosen.pop("progress_options", None)
            model = self if is_built else copy.deepcopy(self)
            with all_put_back(model) if is_built else nullcontext(0) as copies:
                train = super(PlanningVerbs, model).train_run
                vars(model)["_probe"] = lambda run: probe(model, run, train, copies)
                probe.start()
                model.fit(x, y, validation_data, **chosen)

    def _refuse_misspelt(self, verb: str, given: Mapping[str, Any]) -> None:
        """Refuse an argument that neither the verb nor `fit` has, in `fit`'s words for it."""
        own = [name for name in parameters_of(getattr(PlanningVerbs, verb)) if name != "arguments"]
        known = list(dict.fromkeys([*own, *parameters_of(self.fit), *FitOptions.__annotations__]))
        unknown = [name for name in given if name not in known]
        if not unknown:
            return
        try:
            self.fit(**{unknown[0]: given[unknown[0]]})
        except ArgumentError as error:
            do = did_you_mean(unknown[0], own, error.do)
            what = error.what.replace("fit()", f"{verb}()")
            raise ArgumentError(what, f"one of {', '.join(known)}.", do) from None


def _drawing(arguments: Mapping[str, Any]) -> list[Any]:
    """Give what may draw the order of the rows: a sampler, and what stands in `dataloader_kwargs`."""
    of_loader = arguments.get("dataloader_kwargs")
    return [arguments.get("sampler"), *(of_loader.values() if isinstance(of_loader, Mapping) else ())]


def _refuse_once_readable(*sources: Any) -> None:
    """Refuse what the probe would use up."""
    for source in sources:
        if isinstance(source, Iterator):
            raise ArgumentError(
                f"the data are a {type(source).__name__}, which can be read only once: nothing would be left for fit.",
                "data that can be read again, such as a list, a Dataset or a DataLoader.",
                "give a list of some of its rows: list(itertools.islice(rows, 1000)).",
            )
