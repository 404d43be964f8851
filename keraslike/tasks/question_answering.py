"""Question answering: the span of a context that answers a question, or nothing where it holds no answer."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from keraslike.data.answers import read_answers
from keraslike.data.contexts import OURS, Pair, text_of
from keraslike.data.encoding import Feature, Features
from keraslike.data.fields import Field, are_strings, read_fields
from keraslike.data.loader import pad_features
from keraslike.data.rows import Rows
from keraslike.data.squad import is_squad, read_squad
from keraslike.errors import ArgumentError
from keraslike.losses import SpanCrossEntropy
from keraslike.losses.base import Loss
from keraslike.tasks.mistakes import missing_logits
from keraslike.tasks.option_checks import as_bool, as_number, as_whole
from keraslike.tasks.spans import best_spans
from keraslike.tasks.transformer import TransformerTask

CHUNK = 1_000
"""Rows that go to the tokenizer at once; what it holds in memory is bounded by it."""

FIELDS = (
    Field("question", ("questions", "query"), "a question"),
    Field("context", ("contexts", "passage", "paragraph"), "a context"),
    Field("target", ("answers", "answer"), "the answers"),
)
NOT_SENT = {*OURS, "row", "target"}
"""What a feature holds that does not go through the network."""


class QuestionAnswering(TransformerTask):
    """One span of a context for each question, by the logits of its first and its last token.

    Rows are SQuAD's: a question, a context and answers with the characters at which they begin; rows with several
    answers are learned by the first one and measured by all. A long context becomes several overlapping windows, each
    a feature with the whole question; where the answer is not all in a window, it points at the classification token
    (or the first one).

    Args:
        stride: how many tokens neighbouring windows share; half of what a window holds of the context, at most.
        max_answer_length: how many tokens an answer may have in `predict`.
        top_k: how many answers `predict` gives; with 2 or more a list for each question, the best first.
        unanswerable: whether "no answer" is an answer. It becomes True where a training row has no answers.
        null_threshold: "no answer" is given where its logits add up to so much more than those of the best span; the
            sums of two logits, so 2.0 asks for odds of about 7 to 1.

    Raises:
        ArgumentError: an option is out of its range.

    Example:
        >>> QuestionAnswering(max_answer_length=15).state()["max_answer_length"]
        15
    """

    name: ClassVar[str] = "question-answering"
    has_classes: ClassVar[bool] = False
    compares: ClassVar[frozenset[str] | None] = frozenset()  # spans are no classes: its metrics are of rows
    ignores_padding: ClassVar[bool] = True
    auto_class: ClassVar[str] = "AutoModelForQuestionAnswering"
    head: ClassVar[str] = "ForQuestionAnswering"

    def __init__(
        self,
        stride: int = 128,
        max_answer_length: int = 30,
        top_k: int = 1,
        unanswerable: bool = False,
        null_threshold: float = 0.0,
    ) -> None:
        super().__init__()
        wrong = "{name} is {value!r}."
        self.stride = as_whole("stride", stride, 0, wrong)
        self.max_answer_length = as_whole("max_answer_length", max_answer_length, 1, wrong)
        self.top_k = as_whole("top_k", top_k, 1, wrong)
        self.unanswerable = as_bool("unanswerable", unanswerable)
        self.null_threshold = as_number("null_threshold", null_threshold, lambda _: True, "a number.", wrong)
        self._counts = (0, 0)

    # From the user's data to rows

    def open(self, x: Any) -> Any:
        """Give the rows of SQuAD's own nested file; anything else as it is."""
        return read_squad(x)

    def read(self, x: Any, y: Any = None, **options: Any) -> Rows:
        """Read questions, contexts and answers; also SQuAD's own nested file.

        Args:
            x: as in `fit`; rows without names are (question, context), a tuple of two lists is both columns.
            y: the answers, one for each row, where x does not hold them.
            options: as in `Task.read`.

        Raises:
            DataError: there is no question or context, or x and y differ in length.
        """
        if isinstance(x, tuple) and len(x) == 2 and not any(isinstance(part, (str, tuple, Mapping)) for part in x):
            x = dict(zip(("question", "context"), x, strict=True))
        known = {name: options[name] for name in ("text", "target", "prepare", "labelled") if name in options}
        return read_fields(read_squad(x), y, fields=FIELDS, **known)

    def is_one(self, x: Any, *, has_pairs: bool) -> bool:
        """Tell a single (question, context), or a dict of them, from a container of rows."""
        if isinstance(x, Mapping):
            return any(isinstance(value, str) for value in x.values()) and not is_squad(x)
        return isinstance(x, str) or (isinstance(x, tuple) and len(x) == 2 and are_strings(x))

    def strata(self, rows: Rows) -> Sequence[Any] | None:
        """Give whether each question has an answer, so that a split leaves as many in both parts."""
        has_answers = [bool(answers) for answers in self._all_answers(rows)]
        return has_answers if len(set(has_answers)) > 1 else None

    def learn(self, rows: Rows, labels: Sequence[Any] | None = None) -> None:
        """Find out whether there are questions without an answer.

        Raises:
            DataError: the answers of a row are in no known form.
        """
        without = sum(not answers for answers in self._all_answers(rows))
        self._counts = (without, len(rows))
        self.unanswerable = self.unanswerable or without > 0

    def _all_answers(self, rows: Rows) -> Iterator[Sequence[Any]]:
        numbers = range(len(rows)) if rows.numbers is None else rows.numbers
        for number, given in zip(numbers, rows.column("target"), strict=True):
            yield read_answers(given, number)

    @property
    def summary(self) -> str:
        """How many questions have no answer, where there are such."""
        without, questions = self._counts
        return f"{without:,} of {questions:,} questions without an answer" if without else ""

    # The network

    def size(self, config: Any) -> dict[str, Any]:
        """Ask for two outputs per token, where the configuration has another number."""
        return {"num_labels": 2} if config.num_labels != 2 else {}

    def check_network(self, network: Any) -> None:
        """Refuse a transformer whose head gives no first and last tokens.

        Raises:
            ArgumentError: it is another head.
        """
        if "start_positions" not in inspect.signature(network.forward).parameters:
            raise ArgumentError(
                f"a {type(network).__name__} does not give the first and last tokens of answers.",
                "a network with a head for question answering.",
                "give its name or directory instead, or load it with AutoModelForQuestionAnswering.",
            )

    def _keep_tokenizer(self, source: Any, config: Any, max_length: int | None) -> None:
        super()._keep_tokenizer(source, config, max_length)
        if not getattr(self.tokenizer, "is_fast", False):
            raise ArgumentError(
                f"the tokenizer, a {type(self.tokenizer).__name__}, does not tell which characters a token is.",
                "a fast tokenizer.",
                "give tokenizer=AutoTokenizer.from_pretrained(...) of a model that has a tokenizer.json.",
            )

    def read_outputs(self, outputs: Any) -> Tensor:
        """Stack the logits of first and last tokens, shape `(batch, tokens, 2)`.

        Raises:
            ArgumentError: the network has no head that gives them.
        """
        if isinstance(outputs, Tensor):
            return outputs
        if "start_logits" not in outputs or "end_logits" not in outputs:
            raise missing_logits(self, outputs, "start_logits and end_logits")
        return torch.stack((outputs["start_logits"], outputs["end_logits"]), dim=-1)

    @property
    def loss(self) -> Loss:
        """The mean of the cross-entropies of first and last tokens; padding takes no part in their softmax."""
        return SpanCrossEntropy()

    @property
    def metrics(self) -> list[Any]:
        """Exact match and the F1 of words, as SQuAD counts them."""
        return ["exact_match", "answer_f1"]

    # From rows to tensors

    def encode(self, row: Mapping[str, Any]) -> list[Feature]:
        """Tokenize one row into windows; `encode_rows` does the same for many at once."""
        return [feature for features in self._encode([row], [None]) for feature in features]

    def encode_rows(self, rows: Rows) -> Features:
        """Tokenize all rows into windows; note how many contexts had to be cut.

        Raises:
            DataError: a question or context is no text or empty, a question leaves no room for the context, or an
                answer does not stand in the context where it is said to.
        """
        windows: list[int] = []
        encoded = Features(self._encode_all(rows, windows))
        cut = sum(count > 1 for count in windows)
        if cut:
            share = f"{cut:,} of {len(rows):,} {f'{rows.part} contexts'.strip()} ({100 * cut / len(rows):.1f} %)"
            self.notes.append(f"{share} go through in windows of {self.max_length:,} tokens, {len(encoded):,} in all.")
        return encoded

    def _encode_all(self, rows: Rows, windows: list[int]) -> Iterator[Feature]:
        numbers: Sequence[int] = range(len(rows)) if rows.numbers is None else rows.numbers
        for start in range(0, len(rows), CHUNK):
            chunk = [rows[place] for place in range(start, min(start + CHUNK, len(rows)))]
            encoded = self._encode(chunk, numbers[start : start + CHUNK])
            for place, features in enumerate(encoded, start):
                windows.append(len(features))
                yield from ({**feature, "row": place} for feature in features)

    def _encode(self, chunk: Sequence[Mapping[str, Any]], numbers: Sequence[int | None]) -> Iterator[list[Feature]]:
        known = list(zip(chunk, numbers, strict=True))
        texts = [[text_of(row, name, number) for row, number in known] for name in ("question", "context")]
        encoded = self.tokenizer(*texts, truncation=False, return_offsets_mapping=True, verbose=False)
        for index, (row, number) in enumerate(known):
            pair = Pair.of(encoded, index, row["context"], self.tokenizer.cls_token_id, number)
            windows = pair.windows(self.max_length, self.stride, number)
            if "target" not in row:
                yield [window.feature() for window in windows]
                continue
            span = pair.span_of(read_answers(row["target"], number), number)
            yield [{**window.feature(), "target": window.place_of(span)} for window in windows]

    def collate(self, features: Sequence[Feature]) -> tuple[dict[str, Tensor], Any]:
        """Pad to the longest: inputs `(batch, tokens)`; targets `(batch, 3)`, first and last token and length, or None.

        The length keeps padding out of the softmax, so that the loss does not depend on how far a batch is padded.
        """
        inputs = [{name: value for name, value in feature.items() if name not in NOT_SENT} for feature in features]
        padded = pad_features(
            inputs, pad_token_id=self.tokenizer.pad_token_id, pad_token_type_id=self.tokenizer.pad_token_type_id
        )
        if "target" not in features[0]:
            return padded, None
        return padded, torch.tensor([[*map(int, f["target"]), len(f["input_ids"])] for f in features])

    # From outputs to answers

    def answers_like(self, references: Sequence[Any]) -> list[Any]:
        """Give dicts with a text, as `decode` does."""
        return [{"answer": ""}] * len(references)

    def decode(self, outputs: Any, features: Sequence[Feature]) -> list[Any]:
        """Give the best answer of each question, over all its windows, as a dict; a list of dicts for `top_k` > 1.

        `answer` is the user's own text from the character `start` to `end`, and `score` its probability among all
        spans of at most `max_answer_length` tokens in all windows, and "no answer" where that is one. No answer is
        an empty text from 0 to 0.
        """
        windows: dict[int, list[tuple[Any, Feature]]] = {}
        for index, feature in enumerate(features):
            logits = outputs[index][: len(feature["input_ids"])].double().numpy()
            windows.setdefault(int(feature["row"]), []).append((logits, feature))
        answers = [self._answers(windows[row]) for row in sorted(windows)]
        return [found[0] if self.top_k == 1 else found for found in answers]

    def _answers(self, windows: Sequence[tuple[Any, Feature]]) -> list[dict[str, Any]]:
        spans = best_spans(windows, self.max_answer_length, self.top_k)
        ranked = [(score, span, score) for span, score in spans.best]
        total = spans.total
        if self.unanswerable or not ranked:
            ranked.append((spans.null - self.null_threshold, (0, 0), spans.null))
            ranked.sort(key=lambda candidate: -candidate[0])  # stable: an answer goes before none of the same rank
            total = float(np.logaddexp(total, spans.null))
        context = windows[0][1]["context"]
        return [
            {"answer": context[start:end], "start": start, "end": end, "score": float(np.exp(score - total))}
            for _, (start, end), score in ranked[: self.top_k]
        ]
