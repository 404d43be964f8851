"""What of a network does not learn, and from which epoch on it does."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self

from poutyne import Callback
from torch import nn

from keraslike.calling import did_you_mean
from keraslike.data.values import plain
from keraslike.engine.run import Run
from keraslike.errors import ArgumentError
from keraslike.recipes.adapting import lora_of
from keraslike.recipes.frozen_parts import ALL, Chosen, choose
from keraslike.recipes.layers import Depths, depths_of


class Freezable(Protocol):
    """What is asked of the model."""

    network: nn.Module
    optimizer: Any
    kept_modes: Sequence[tuple[nn.Module, bool]]

    def set_mode(self, *, training: bool) -> None:
        """Set training or evaluation mode."""
        ...


class Freezing(Callback):
    """Keeps parts of a network as they are during a run, and lets them learn from their epoch on.

    Within it `requires_grad` of what is frozen is False, and its modules are in evaluation mode, also after each
    validation: no dropout, and the statistics of BatchNorm stay. At its end the flags are those of before. Parameters
    that the user had frozen before are not touched.

    Args:
        model: the model; its optimizer holds frozen parameters too, which neither move nor decay without a gradient.
        chosen: what is frozen.
        unfreeze: how many of the top layers learn from an epoch on, or "all".
        depths: where the parameters lie; needed where `unfreeze` counts layers.
        epoch: the number of the first epoch.

    Attributes:
        reused: while a run is only planned: gives what lets the features of the body be used again inside, as they
            would be from the second epoch on; None where they would not.
        at_epochs: called at the begin of each epoch.
    """

    def __init__(
        self,
        model: Freezable,
        chosen: Chosen,
        unfreeze: Mapping[int, int | str],
        depths: Depths | None,
        epoch: int = 1,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Poutyne is untyped
        self.owner, self.chosen, self.unfreeze, self.depths, self.epoch = model, chosen, unfreeze, depths, epoch
        self._frozen = [parameter for parameter in chosen.parameters if parameter.requires_grad]
        self.reused: Callable[[], AbstractContextManager[None]] | None = None
        self.at_epochs: Callable[[], object] = lambda: None

    @property
    def is_for_good(self) -> bool:
        """Whether what is frozen stays so through the whole run."""
        return not self.unfreeze

    def __enter__(self) -> Self:
        self._apply(self.epoch)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.owner.kept_modes = ()
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        self.owner.set_mode(training=self.owner.network.training)

    def on_epoch_begin(self, epoch_number: int, logs: Any) -> None:
        """Let those layers learn whose epoch has come, and tell who asked for it."""
        self._apply(epoch_number)
        self.at_epochs()

    def learning_at(self, epoch: int) -> list[nn.Parameter]:
        """Give the parameters that are frozen at first and learn in an epoch."""
        layers = self._layers_at(epoch)
        return [p for p in self._frozen if layers == ALL or self._is_within(p, int(layers))]

    def _apply(self, epoch: int) -> None:
        layers, learning = self._layers_at(epoch), {id(parameter) for parameter in self.learning_at(epoch)}
        for parameter in self._frozen:
            parameter.requires_grad_(id(parameter) in learning)
        modules = [] if layers == ALL else self.chosen.modules
        self.owner.kept_modes = [mode for module in modules for mode in _modes(module)]

    def _layers_at(self, epoch: int) -> int | str:
        """Give how many of the top layers learn in an epoch."""
        begun = [number for number in self.unfreeze if number <= epoch]
        return self.unfreeze[max(begun)] if begun else 0

    def _is_within(self, parameter: nn.Parameter, layers: int) -> bool:
        if self.depths is None or layers == 0 or id(parameter) in self.depths.before:
            return False
        return self.depths.below.get(id(parameter), 0) <= layers

    def notes(self) -> list[str]:
        """Give the line that says how many parameters learn; asked for within."""
        learning, frozen = (
            sum(p.numel() for p in self.owner.network.parameters() if p.requires_grad is learns)
            for learns in (True, False)
        )
        later = [f"from epoch {at} {_told(layers)}" for at, layers in self.unfreeze.items() if at > self.epoch]
        then = f"; {', '.join(later)}" if later else ""
        return [f"{learning:,} parameters learn, {frozen:,} are frozen{then}.", *self._notes_of_lora()]

    def _notes_of_lora(self) -> list[str]:
        """Say what freezing means where LoRA's matrices stand beside the weights."""
        matrices = {id(p) for name, p in self.owner.network.named_parameters() if ".lora_" in name}
        if lora_of(self.owner.network) is None or matrices.isdisjoint(map(id, self._frozen)):
            return []
        later = ", so that of layers that learn later the matrices do" if self.unfreeze else ""
        return [f"LoRA's matrices are frozen too; the weights beside them stay so for good{later}."]


def _told(layers: int | str) -> str:
    return "all learn" if layers == ALL else f"the top {'layer learns' if layers == 1 else f'{layers} layers learn'}"


def _modes(module: nn.Module) -> Iterator[tuple[nn.Module, bool]]:
    """Give the modes of a frozen module, and of those of its parts that learn as a whole."""
    yield module, False
    yield from ((part, True) for part in _learning(module))


def _learning(module: nn.Module) -> Iterator[nn.Module]:
    flags = [parameter.requires_grad for parameter in module.parameters()]
    if flags and all(flags):
        yield module
    elif any(flags):
        for child in module.children():
            yield from _learning(child)


def plan_freezing(model: Freezable, options: Mapping[str, Any], run: Run, fresh: Collection[str] = ()) -> Freezing:
    """Give what freezes parts of a network during a run, as its context; the run tells it of each epoch.

    Args:
        model: the model.
        options: of fit: `freeze` and `unfreeze`.
        run: the run.
        fresh: names of the parameters that no checkpoint held; they learn, in the body too.

    Raises:
        ArgumentError: there is nothing of this name, or nothing left to learn, or `unfreeze` does not fit.
    """
    freeze, unfreeze = options.get("freeze"), options.get("unfreeze")
    network = model.network
    if freeze in (None, False) and unfreeze is None:
        return Freezing(model, Chosen(), {}, None)
    chosen = choose(network, "body" if freeze in (None, False) else freeze, fresh)
    epochs = {} if unfreeze is None else _read_epochs(unfreeze, run)
    depths = None
    if any(layers != ALL for layers in epochs.values()):
        depths = depths_of(network, f"unfreeze={unfreeze!r}")
        _check_layers(epochs, depths)
    freezing = Freezing(model, chosen, epochs, depths, run.initial_epoch)
    _require_learning(model, freezing)
    run.callbacks.callbacks.insert(0, freezing)
    return freezing


def _read_epochs(unfreeze: Any, run: Run) -> dict[int, int | str]:
    """Read from which epoch on how many layers learn."""
    do = 'write unfreeze={2: 2, 3: "all"}.'
    if not isinstance(unfreeze, Mapping) or not unfreeze:
        raise ArgumentError(f"unfreeze={unfreeze!r} is no dict of epochs.", "how many layers learn, by epoch.", do)
    epochs = {plain(epoch): plain(layers) for epoch, layers in unfreeze.items()}
    for epoch, layers in epochs.items():
        if not _is_count(epoch) or (run.epochs is not None and epoch > run.epochs):
            last = "" if run.epochs is None else f" to {run.epochs}, the last one of this run"
            raise ArgumentError(f"unfreeze has an epoch {epoch!r}.", f"the number of an epoch, from 1{last}.", do)
        if layers != ALL and not _is_count(layers):
            near = did_you_mean(layers, [ALL], do) if isinstance(layers, str) else do
            raise ArgumentError(f"unfreeze[{epoch}]={layers!r} is no number of layers.", 'an int, or "all".', near)
    return dict(sorted(epochs.items()))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_layers(epochs: Mapping[int, int | str], depths: Depths) -> None:
    """Refuse more layers than there are, and fewer than in an epoch before."""
    before = 0
    for epoch, layers in epochs.items():
        number = depths.layers + 1 if layers == ALL else int(layers)
        if layers != ALL and number > depths.layers:
            raise ArgumentError(
                f"unfreeze[{epoch}]={layers}, and there are {depths.layers} layers.",
                f'an int from 1 to {depths.layers}, or "all".',
                f'write unfreeze={{{epoch}: "all"}}.',
            )
        if number < before:
            raise ArgumentError(
                f"unfreeze[{epoch}]={layers} is less than in an epoch before it.",
                "as many layers or more from epoch to epoch: what has begun to learn goes on.",
            )
        before = number


def _require_learning(model: Freezable, freezing: Freezing) -> None:
    """Refuse a run in which nothing of what the optimizer holds learns at the beginning, or begins to learn later."""
    with freezing:
        held = [parameter for group in model.optimizer.param_groups for parameter in group["params"]]
        _require_held(model.optimizer, freezing, {id(parameter) for parameter in held})
        if not any(parameter.requires_grad for parameter in held):
            raise ArgumentError(
                "freeze leaves nothing that learns in the first epoch.",
                "a head, or layers, of which the optimizer holds the parameters.",
                f"freeze less{'; or let layers learn from the start: unfreeze={1: 1}' * _has_layers(model.network)}.",
            )


def _require_held(optimizer: Any, freezing: Freezing, held: Collection[int]) -> None:
    """Refuse layers that begin to learn where an optimizer object does not hold any of them."""
    for epoch, layers in freezing.unfreeze.items():
        before = {id(parameter) for parameter in freezing.learning_at(epoch - 1)}
        begin = {id(parameter) for parameter in freezing.learning_at(epoch)} - before
        if begin and begin.isdisjoint(held):
            raise ArgumentError(
                f"unfreeze[{epoch}]={layers!r}, and the {type(optimizer).__name__} holds none of the parameters that "
                "would begin to learn then.",
                "an optimizer object over all parameters that are to learn at some time, or the name of an optimizer.",
                f'write optimizer="{type(optimizer).__name__.lower()}", or give it model.network.parameters().',
            )


def _has_layers(network: nn.Module) -> bool:
    try:
        depths_of(network, "freeze")
    except ArgumentError:
        return False
    return True
