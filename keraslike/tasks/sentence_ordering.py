"""Sentence ordering: shuffled sentences are put back in order, by a score at a marker of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from keraslike.data.columns import SENTENCES
from keraslike.data.encoding import Feature, Features
from keraslike.data.loader import pad_features
from keraslike.data.rows import Rows
from keraslike.data.sentences import TEXT_NUMBER, is_one_text, read_sentences, sets_of_texts
from keraslike.errors import DataError
from keraslike.losses.base import Loss
from keraslike.losses.squared_error_per_text import IGNORED, SquaredErrorPerText
from keraslike.metrics.kinds import VALUE
from keraslike.recipes.defaults import FINE_TUNING, Recipe
from keraslike.tasks.collapse import collapse_remark
from keraslike.tasks.marking import (
    Layout,
    add_token,
    apart,
    check_sentences,
    choose_marker,
    cut_note,
    laid_out,
    layout_of,
    require_two_sentences,
    takes_space,
)
from keraslike.tasks.option_checks import as_choice, as_text, as_whole
from keraslike.tasks.token_heads import HEADS, centre, check_token_head
from keraslike.tasks.transformer import TransformerTask

CHUNK = 1_000
"""Rows that go to the tokenizer at once; what it holds in memory is bounded by it."""

DEFAULT_MARKER = "sep"
"""What marks a sentence where the user says nothing."""

DEFAULT_START = "mean"
"""Where scores begin where the user says nothing."""

TARGETS = {"index": False, "averaged": True}
"""What becomes of a text's squared errors; the values say whether they are averaged."""

STARTS = {"zero": False, "mean": True}
"""The bias that a new head starts with; the values say whether it is that of the positions' mean."""


class SentenceOrdering(TransformerTask):
    """Puts the sentences of a text in order.

    `fit` and `evaluate` take sentences in their true order and shuffle them: in training anew in every epoch, by
    (seed, epoch, row) alone; for measuring always in the same way. `predict` takes them as they stand, and gives for
    each text the indices of the sentences given, from the first to the last.

    Each sentence gets a marker token, and the network one score there; the squared error against the sentence's index
    in the true order is summed over a text and averaged over texts. Texts of any number of sentences go together.

    Of a text that is too long for the network as many of its first sentences as fit are learned and measured. For
    `predict`, which cannot know which these are, the longest are cut instead; what has no room stands at the end.

    Args:
        marker: "cls", "sep", a token of the vocabulary, or a new one in brackets such as "[SENTENCE]"; "auto" is "sep".
            It stands before its sentence, and behind it where a network reads from left to right (GPT-2, Llama).
        targets: "index": squared errors are summed over a text; "averaged": averaged over its sentences.
        head: "token-classification", with one output, or "question-answering", whose start scores are taken. A network
            that is given brings its own.
        start: where the scores of a new head begin: "zero", about 0, as transformers makes it; "mean", about the mean
            position in the training texts, so that no updates go into learning that. A network that is given stays as
            it is.
        window: sentences of an example, where plain texts are cut into sentences.
        seed: draws which runs of a plain text's sentences become examples.

    Attributes:
        marker: the token that marks, from `build` on.

    Example:
        >>> SentenceOrdering(marker="cls", targets="averaged").loss
        SquaredErrorPerText(is_averaged=True)

    Source:
        McClure et al. (2018), Context is Key: New Approaches to Neural Coherence Modeling (regression of positions).
    """

    name: ClassVar[str] = "sentence-ordering"
    has_targets: ClassVar[bool] = False
    ignores_padding: ClassVar[bool] = True
    compares: ClassVar[frozenset[str] | None] = frozenset({VALUE})
    recipe: ClassVar[Recipe] = replace(FINE_TUNING, learning_rate=1e-4)
    auto_class: ClassVar[str] = "AutoModelForTokenClassification"
    head: ClassVar[str] = "ForTokenClassification"

    def __init__(
        self,
        marker: str = "auto",
        targets: str = "index",
        head: str = "token-classification",
        start: str = DEFAULT_START,
        window: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.marker = as_text("marker", marker, 'write marker="sep".')
        self.targets, self.start = as_choice("targets", targets, TARGETS), as_choice("start", start, STARTS)
        self.window = as_whole("window", window, 2, expected="2 sentences or more.")
        self.seed = as_whole("seed", seed, 0)
        self._head = as_choice("head", head, HEADS)
        self.auto_class, self.head, _ = HEADS[head]  # type: ignore[misc]  # each object has its own
        self.layout: Layout | None = None
        self._space = ""
        self._sizes: tuple[int, int] | None = None
        self._mean: float | None = None

    # What the data and the network tell

    def read(self, x: Any, y: Any = None, **options: Any) -> Rows:
        """Read the sentences of each text, see `data.sentences.read_sentences`; y is None."""
        wants = {"text": options.get("text"), "prepare": options.get("prepare")}
        return read_sentences(x, y, window=self.window, seed=self.seed, **wants)

    def sets(self, x: Any) -> Mapping[str, Any]:
        """Give the several sets in a dict whose values are texts as lists of sentences."""
        return sets_of_texts(x)

    def is_one(self, x: Any, *, has_pairs: bool) -> bool:
        """Tell the sentences of one text, a list of strings or a dict of them, from a container of texts."""
        return is_one_text(x)

    def check_training(self, rows: Rows) -> None:
        """Refuse texts of one sentence alone."""
        check_sentences(rows.column(SENTENCES))

    def learn(self, rows: Rows, labels: Sequence[Any] | None = None) -> None:
        """Note of how many sentences the texts are, and their mean position."""
        sizes = [len(sentences) for sentences in rows.column(SENTENCES)]
        self._sizes, self._mean = (min(sizes), max(sizes)), sum(n * (n - 1) / 2 for n in sizes) / sum(sizes)

    @property
    def summary(self) -> str:
        """Of how many sentences the texts are, and what marks them."""
        if self._sizes is None:
            return ""
        least, most = self._sizes
        return f"texts of {least if least == most else f'{least} to {most}'} sentences, marked by {self.marker}"

    def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> Any:
        """Load the network with a head of one score per token, and find out how its texts are marked.

        Raises:
            LoadError: the model cannot be found or read.
            ArgumentError: the tokenizer has no such marker, or `max_length` leaves no room for sentences.
        """
        network = super().build(source, tokenizer=tokenizer, max_length=max_length)
        self.marker = choose_marker(DEFAULT_MARKER if self.marker == "auto" else self.marker, self.tokenizer)
        add_token(self.marker, self.tokenizer, network)
        self.layout = layout_of(self.marker, self.tokenizer, getattr(network, "config", None), self.max_length)
        self._space = " " if takes_space(self.tokenizer) else ""
        if STARTS[self.start] and self._mean is not None:
            centre(network, self.fresh, HEADS[self._head], self._mean)
        return network

    def size(self, config: Any) -> dict[str, Any]:
        """Give the number of outputs per token, where the configuration has another."""
        return {} if self.fits_head(config) else {"num_labels": HEADS[self._head].outputs}

    def fits_head(self, config: Any) -> bool:
        """Tell whether a head gives one score, or start and end."""
        return bool(config.num_labels == HEADS[self._head].outputs)

    def check_network(self, network: Any) -> None:
        """Refuse a module of the user's own without a head of tokens, or with several outputs per token."""
        check_token_head(self, network)

    @property
    def loss(self) -> Loss:
        """The squared error of the scores, summed over a text, or averaged over its sentences; averaged over texts."""
        return SquaredErrorPerText(is_averaged=TARGETS[self.targets])

    @property
    def metrics(self) -> list[Any]:
        """Accuracy of positions and Kendall's tau of each text, mean and standard deviation of its scores."""
        return ["position_accuracy", "tau", "score_mean", "score_std"]

    # From rows to tensors

    def encode(self, row: Mapping[str, Any]) -> list[Feature]:
        """Tokenize the sentences of one row; `encode_rows` does the same for many at once."""
        return list(self._tokenize([row]))

    def encode_rows(self, rows: Rows) -> Features:
        """Tokenize all rows, the pieces of each sentence kept apart; note how many texts do not fit as a whole."""
        features = Features(self._encode_all(rows))
        self.notes += filter(None, [cut_note(features, self._known_layout, rows.part)])
        return features

    def check_features(self, features: Sequence[Feature]) -> None:
        """Refuse texts of which so little fits that none of them has two sentences left; as in `Task`."""
        require_two_sentences(features, self._known_layout)

    def _encode_all(self, rows: Rows) -> Iterator[Feature]:
        for start in range(0, len(rows), CHUNK):
            chunk = [rows[index] for index in range(start, min(start + CHUNK, len(rows)))]
            for offset, feature in enumerate(self._tokenize(chunk)):
                yield {**feature, "row": start + offset}

    def _tokenize(self, chunk: Sequence[Mapping[str, Any]]) -> Iterator[Feature]:
        """Give each row's pieces, flat, the number of them in each sentence, and how long its text will be."""
        sentences = [self._space + sentence for row in chunk for sentence in row[SENTENCES]]
        pieces = iter(self.tokenizer(sentences, add_special_tokens=False, verbose=False)["input_ids"])
        for row in chunk:
            own = [next(pieces) for _ in row[SENTENCES]]
            flat, lengths = [piece for ids in own for piece in ids], [len(ids) for ids in own]
            length = self._known_layout.length(len(own), len(flat))
            is_run = {"is_run": True} if TEXT_NUMBER in row else {}
            yield {"input_ids": flat, "pieces": lengths, "length": length, **is_run}

    def vary(self, feature: Feature, generator: np.random.Generator) -> Feature:
        """Shuffle a text's sentences, of one that is too long the first ones, which are the same in every epoch."""
        kept = self._known_layout.leading(apart(feature))
        order = generator.permutation(len(kept))
        return laid_out(feature, self._known_layout, [kept[index] for index in order], order)

    def _as_it_stands(self, feature: Feature) -> Feature:
        """Lay out sentences whose order is not known, cut so that all of them fit."""
        kept = self._known_layout.shortened(apart(feature))
        return laid_out(feature, self._known_layout, kept, np.arange(len(kept)))

    def collate(self, features: Sequence[Feature]) -> tuple[dict[str, Tensor], Any]:
        """Pad to the longest: inputs `(batch, tokens)`, and targets of the same shape, or None in `predict`.

        Targets are the index that each marked sentence has in the true order, -100 at any other token.

        Raises:
            DataError: plain texts are given to `predict`.
        """
        is_shuffled = "order" in features[0]
        laid = features if is_shuffled else [self._to_predict(feature) for feature in features]
        inputs = [{"input_ids": one["input_ids"], "attention_mask": np.ones(one["length"], int)} for one in laid]
        padded = pad_features(inputs, pad_token_id=self.tokenizer.pad_token_id)
        if not is_shuffled:
            return padded, None
        targets = torch.full(padded["input_ids"].shape, IGNORED)
        for row, feature in zip(targets, laid, strict=True):
            row[torch.from_numpy(feature["markers"])] = torch.from_numpy(feature["order"])
        return padded, targets

    def _to_predict(self, feature: Feature) -> Feature:
        if "is_run" in feature:
            raise DataError(
                "predict was given plain texts, whose sentences have no numbers.",
                "lists of sentences: the answer is their indices, from the first to the last.",
                "cut them first: from keraslike.data.sentences import cut_sentences; predict([cut_sentences(text)]).",
            )
        return self._as_it_stands(feature)

    # From outputs to answers

    def read_outputs(self, outputs: Any) -> Tensor:
        """Give one score for each token, `(batch, tokens)`: a token head's one output, or the scores of a start."""
        if isinstance(outputs, Mapping) and "start_logits" in outputs:
            return torch.as_tensor(outputs["start_logits"])
        scores = super().read_outputs(outputs)
        return scores.squeeze(-1) if scores.dim() == 3 else scores

    def decode(self, outputs: Sequence[Tensor], features: Sequence[Feature]) -> list[Any]:
        """Give for each text the indices of the sentences given, in the order that the scores tell.

        Where the task has shuffled them, the indices are those of the true order, so that 0, 1, 2, ... is right; of a
        text that is too long they are those of the sentences that were kept.
        """
        found = []
        for scores, feature in zip(outputs, features, strict=True):
            laid = feature if "order" in feature else self._as_it_stands(feature)
            order = np.argsort(scores[torch.from_numpy(laid["markers"])].float().numpy(), kind="stable")
            without_room = [] if laid is feature else range(len(order), laid["sentences"])
            found.append([*laid["order"][order].tolist(), *without_room])
        return found

    def references(self, rows: Rows) -> Sequence[Any]:
        """Give the true order, 0, 1, 2, ..., of each text."""
        return [list(range(len(sentences))) for sentences in rows.column(SENTENCES)]

    def remark(self, row: Mapping[str, Any]) -> str | None:
        """Say so where the scores say nothing of the order, being all near the mean."""
        is_sep = self.marker == choose_marker(DEFAULT_MARKER, self.tokenizer)
        return collapse_remark(row, round(sum(self._sizes or (0, 0)) / 2), is_sep=is_sep)

    @property
    def _known_layout(self) -> Layout:
        assert self.layout is not None  # build has set it
        return self.layout

    def state(self) -> dict[str, Any]:
        """Give the options, the marker as the token that it is, and the length that texts are cut at."""
        return {**super().state(), "head": self._head}
