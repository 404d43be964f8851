"""What all tasks on pretrained transformers share: the network, its head, its tokenizer, its labels."""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from keraslike.data.labels import Labels
from keraslike.errors import ArgumentError, LabelError
from keraslike.tasks import pretrained
from keraslike.tasks.base import Task

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"


class TransformerTask(Task):
    """A task whose network is a pretrained body with a head for the task.

    A subclass names the Auto class and the ending of the architectures that carry such a head.

    Attributes:
        labels: the user's labels in the order of the outputs; None where there are none, or not yet.
        targets: how many numbers the network gives, for regression.
        tokenizer: the tokenizer, from `build` on.
        max_length: the tokens that a feature is cut at, from `build` on; None: no limit.
        fresh: names of the parameters that no checkpoint held, so that they are random until trained.
        notes: calm lines for the screen, each said once.
    """

    auto_class: ClassVar[str]
    head: ClassVar[str]

    def __init__(self, problem_type: str | None, labels: Sequence[Any] | None, targets: int | None) -> None:
        super().__init__()
        self._problem_type = problem_type or (REGRESSION if targets is not None else None)
        self.labels = None if labels is None else Labels(labels)
        self.targets = targets
        self.tokenizer: Any = None
        self.max_length: int | None = None
        self.fresh: list[str] = []
        self.has_adopted_labels = False

    @property
    def problem_type(self) -> str | None:
        """What the targets are, in transformers' words; None until it was told, or the data have told it."""
        return self._problem_type

    @property
    def outputs(self) -> int:
        """How many numbers the network gives."""
        return (self.targets or 1) if self._problem_type == REGRESSION else len(self.labels or ())

    @property
    def is_ready(self) -> bool:
        """Whether the labels, or the number of targets, are known."""
        return self.labels is not None or self.targets is not None

    def adopt_labels(self, source: Any) -> None:
        """Take over labels and problem type where the checkpoint was trained for this kind of task."""
        if self.is_ready:
            return
        config: Any = getattr(source, "config", None)
        if isinstance(source, nn.Module):
            has_head = config is not None and type(source).__name__.endswith(self.head)
        else:
            config = pretrained.load_config(source)
            has_head = pretrained.has_own_head(config, self.head)
        if not has_head:
            return
        self.has_adopted_labels = True
        is_one_number = config.num_labels == 1
        self._problem_type = self._problem_type or config.problem_type or (REGRESSION if is_one_number else SINGLE)
        if self._problem_type == REGRESSION:
            self.targets = config.num_labels
        else:
            self.labels = Labels([config.id2label[index] for index in range(config.num_labels)])

    def forget(self) -> None:
        """Give up the labels that were taken over from a checkpoint, so that they are learned from the data."""
        self.labels = self.targets = None
        self.has_adopted_labels = False

    def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> nn.Module:
        """Load the network with a head of the right size, and the tokenizer.

        Raises:
            LoadError: the model cannot be found or read.
            ArgumentError: a module has no tokenizer.
            LabelError: a module has not as many outputs as there are labels.
        """
        if isinstance(source, nn.Module):
            return self._adopt(source, tokenizer, max_length)
        config = pretrained.load_config(source)
        self._keep_tokenizer(source if tokenizer is None else tokenizer, config, max_length)
        loaded = self._load(source, config)
        pretrained.ensure_pad_token(self.tokenizer, loaded.network.config)
        self.fresh = loaded.fresh
        if loaded.fresh:
            self.notes.append(f"New head: {', '.join(loaded.fresh)} start from random numbers.")
        self.describe(loaded.network)
        return loaded.network

    def _load(self, source: Any, config: Any) -> pretrained.Loaded:
        import transformers

        auto_class = getattr(transformers, self.auto_class)
        is_for_task = pretrained.has_own_head(config, self.head)
        keeps_head = is_for_task and self.fits_head(config)
        size = {"num_labels": self.outputs} if config.num_labels != self.outputs else {}
        loaded = pretrained.load_network(auto_class, source, **size)
        if is_for_task and not keeps_head and not loaded.fresh:
            return pretrained.with_fresh_head(auto_class, loaded)
        return loaded

    def fits_head(self, config: Any) -> bool:
        """Tell whether a head of this configuration answers with these labels; its order of them becomes ours.

        Its generic names LABEL_0, LABEL_1, ... take the user's labels in sorted order.
        """
        if config.num_labels != self.outputs:
            return False
        if self.labels is None:
            return True
        names = [config.id2label[index] for index in range(config.num_labels)]
        if all(name == f"LABEL_{index}" for index, name in enumerate(names)):
            return True
        by_name = {str(label): label for label in self.labels.names}
        if set(by_name) != set(names):
            return False
        self.labels = Labels([by_name[name] for name in names])
        return True

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
        if config.num_labels != self.outputs:
            raise LabelError(
                f"the network has {config.num_labels} outputs, but there are {self.outputs} labels or targets.",
                "as many outputs as labels.",
                f"load it with from_pretrained(..., num_labels={self.outputs}).",
            )
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

    def describe(self, network: Any) -> None:
        """Write labels and problem type into the configuration, where transformers' readers look for them."""
        config = getattr(network, "config", None)
        if config is None:
            return
        config.problem_type = self._problem_type
        if self.labels is not None:
            config.id2label = self.labels.id2label()
            config.label2id = {name: index for index, name in config.id2label.items()}

    def state(self) -> dict[str, Any]:
        """Give problem type, labels, number of targets and the length that texts are cut at."""
        labels = None if self.labels is None else self.labels.to_json()
        known = {"problem_type": self._problem_type, "labels": labels, "targets": self.targets}
        return {**known, "max_length": self.max_length}

    def save(self, directory: str, network: Any) -> None:
        """Write weights, configuration and tokenizer."""
        with pretrained.quiet():
            super().save(directory, network)
            self.tokenizer.save_pretrained(directory)
