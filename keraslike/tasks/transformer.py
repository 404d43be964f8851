"""What all tasks on pretrained transformers share: the network, its head, its tokenizer."""

import inspect
from typing import Any, ClassVar, Self

from torch import nn

from keraslike.errors import ArgumentError
from keraslike.tasks import pretrained
from keraslike.tasks.base import Task
from keraslike.tasks.mistakes import auto_class_of, check_head, check_kind


class TransformerTask(Task):
    """A task whose network is a pretrained body with a head for the task.

    A subclass names the Auto class and the ending of the architectures that carry such a head. It keeps the arguments
    of its constructor under their names, as plain values: `state` gives them, and `from_state` calls it with them.

    Attributes:
        tokenizer: the tokenizer, or another processor, from `build` on.
        max_length: the tokens that a feature is cut at, from `build` on; None: no limit.
        fresh: names of the parameters that no checkpoint held, so that they are random until trained.
        has_adopted_labels: whether the labels are those of a checkpoint, which the data may replace.
        notes: calm lines for the screen, each said once.
    """

    auto_class: ClassVar[str]
    head: ClassVar[str | tuple[str, ...]]

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer: Any = None
        self.max_length: int | None = None
        self.fresh: list[str] = []
        self.has_adopted_labels = False

    def adopt_labels(self, source: Any) -> None:
        """Take over labels and problem type where the checkpoint was trained for this kind of task."""

    def forget(self) -> None:
        """Give up the labels that were taken over from a checkpoint, so that they are learned from the data."""

    def fits_head(self, config: Any) -> bool:
        """Tell whether the head that a checkpoint of this configuration holds is the one that is needed."""
        return True

    def size(self, config: Any) -> dict[str, Any]:
        """Give the values of the configuration that a network for this task needs, such as `num_labels`."""
        return {}

    def check_network(self, network: nn.Module) -> None:
        """Hold a module of the user's own against what the task needs: by default a head of `auto_class`."""
        check_head(self, network, self.head)

    def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> nn.Module:
        """Load the network with a head of the right size, and the tokenizer.

        Raises:
            LoadError: the model cannot be found or read.
            ArgumentError: the model is of a kind that has no head for the task, or a module has no tokenizer.
            LabelError: a module has not as many outputs as there are labels.
        """
        if isinstance(source, nn.Module):
            return self._adopt(source, tokenizer, max_length)
        config = pretrained.load_config(source)
        check_kind(self, source, config)
        self._keep_tokenizer(source if tokenizer is None else tokenizer, config, max_length)
        loaded = self._load(source, config)
        pretrained.ensure_pad_token(self.tokenizer, loaded.network.config)
        self.fresh = loaded.fresh
        if loaded.fresh:
            self.notes.append(f"New head: {', '.join(loaded.fresh)} start from random numbers.")
        pretrained.refuse_answers_at_end(loaded.network)
        self.notes += pretrained.padding_notes(loaded.network)
        self.describe(loaded.network)
        return loaded.network

    def _load(self, source: Any, config: Any) -> pretrained.Loaded:
        auto_class = auto_class_of(self)
        is_for_task = pretrained.has_own_head(config, self.head)
        keeps_head = is_for_task and self.fits_head(config)
        loaded = pretrained.load_network(auto_class, source, **self.size(config))
        if is_for_task and not keeps_head and not loaded.fresh:
            return pretrained.with_fresh_head(auto_class, loaded)
        return loaded

    def _adopt(self, network: nn.Module, tokenizer: Any, max_length: int | None) -> nn.Module:
        """Take a module as it is: a `PreTrainedModel`, or any module that takes the tokenizer's tensors by name."""
        config: Any = getattr(network, "config", None)
        source = getattr(config, "_name_or_path", None) if tokenizer is None else tokenizer
        if not source:
            raise ArgumentError(
                f"the network is a {type(network).__name__} that does not say which tokenizer it needs.",
                "a tokenizer, or the name or directory of one.",
                "give tokenizer=AutoTokenizer.from_pretrained(...).",
            )
        self._keep_tokenizer(source, config, max_length)
        if config is None:
            return network
        pretrained.refuse_answers_at_end(network)
        self.notes += pretrained.padding_notes(network)
        self.check_network(network)
        self.fits_head(config)
        self.describe(network)
        return network

    def _keep_tokenizer(self, source: Any, config: Any, max_length: int | None) -> None:
        self.tokenizer = pretrained.load_tokenizer(source)
        if config is None:
            self.max_length = max_length
            return
        pretrained.ensure_pad_token(self.tokenizer, config)
        wanted = self.max_length if max_length is None else max_length  # a saved task keeps the length of its training
        self.max_length = pretrained.choose_max_length(wanted, config, self.tokenizer)

    def state(self) -> dict[str, Any]:
        """Give the arguments of the constructor, and the length that texts are cut at."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        return {**{name: getattr(self, name) for name in names}, "max_length": self.max_length}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Make the task again from what `state` gave."""
        task = cls(**{name: value for name, value in state.items() if name != "max_length"})
        task.max_length = state["max_length"]
        return task

    def save(self, directory: str, network: Any) -> None:
        """Write weights, configuration and tokenizer."""
        with pretrained.quiet():
            super().save(directory, network)
            self.tokenizer.save_pretrained(directory)
