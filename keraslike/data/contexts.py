"""A question and its context in tokens, the context cut into overlapping windows where it is too long."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keraslike.data.answers import Answer, named, places_of
from keraslike.data.values import kind_of
from keraslike.errors import DataError

Offsets = Sequence[tuple[int, int]]

OURS = frozenset({"context", "starts", "ends", "first", "null"})
"""What the feature of a window holds beside the columns of the tokenizer."""


def text_of(row: Mapping[str, Any], name: str, number: int | None = None) -> str:
    """Give the question or the context of a row.

    Args:
        row: the row.
        name: "question" or "context".
        number: of the user's row, for messages.

    Raises:
        DataError: it is no text, or an empty one.

    Example:
        >>> text_of({"question": "Who ran?", "context": "Ann ran."}, "question")
        'Who ran?'
    """
    text = row[name]
    if isinstance(text, str) and text.strip():
        return text
    raise DataError(
        f"{named(number)} has the {name} {text!r:.80}, {kind_of(text)}.",
        f"a {name} with words, a str.",
        "leave the row out, or check the columns: fit(..., text=[question, context]) names them.",
    )


@dataclass(frozen=True)
class Pair:
    """A question with its context, tokenized together.

    Args:
        context: the user's own text.
        columns: what the tokenizer gave for the network, by name, one number per token.
        offsets: of each token, the characters of its text: the first, and the one behind the last.
        tokens: the places of the tokens of the context, one behind the other.
        null: the place that stands for "no answer": the classification token's, or the first.
    """

    context: str
    columns: Mapping[str, Sequence[int]]
    offsets: Offsets
    tokens: range
    null: int

    @classmethod
    def of(cls, encoded: Any, index: int, context: str, cls_token_id: int | None, row: int | None = None) -> "Pair":
        """Take one pair out of what a fast tokenizer gave, uncut, with `return_offsets_mapping=True`.

        Args:
            encoded: a `BatchEncoding`.
            index: which pair.
            context: its context.
            cls_token_id: of the tokenizer; None: it has no classification token.
            row: the number of the user's row, for messages.

        Raises:
            DataError: the tokenizer makes no token of the context.
        """
        columns = {name: values[index] for name, values in encoded.items() if name != "offset_mapping"}
        parts: list[int | None] = encoded.sequence_ids(index)
        if 1 not in parts:
            raise DataError(
                f"{named(row)} has a context of which the tokenizer makes no token.",
                "a context with words.",
                "look at its context, and leave the row out if there is nothing.",
            )
        first = parts.index(1)
        pairs = enumerate(zip(parts, columns["input_ids"], strict=True))
        marks = (place for place, (part, token) in pairs if part is None and token == cls_token_id)
        tokens = range(first, first + parts.count(1))
        return cls(context, columns, encoded["offset_mapping"][index], tokens, next(marks, 0))

    def windows(self, limit: int | None, stride: int, row: int | None = None) -> "list[Window]":
        """Cut the context so that each window, the whole question before it, has at most `limit` tokens.

        Args:
            limit: the most tokens; None: any number.
            stride: how many tokens neighbouring windows share; half of what a window holds of the context, at most.
            row: as in `of`.

        Raises:
            DataError: the question leaves no room.
        """
        others = len(self.offsets) - len(self.tokens)
        room = len(self.tokens) if limit is None else limit - others
        if room < 1:
            raise DataError(
                f"{named(row)}: its question, with special tokens, takes {others:,} of max_length={limit:,} tokens and "
                "leaves no room for the context.",
                "a question much shorter than max_length; only contexts are cut.",
                "shorten the question, or give Model(..., max_length=) more where the model takes more.",
            )
        return [Window(self, part) for part in _overlapping(self.tokens, room, min(stride, room // 2))]

    def span_of(self, answers: Sequence[Answer], row: int | None = None) -> tuple[int, int] | None:
        """Give the places of the first and the last token of the first answer; None where there is none.

        They are those that have a part in its characters: a word may be cut elsewhere than the answer.

        Args:
            answers: all of which must stand in the context.
            row: as in `of`.

        Raises:
            DataError: an answer does not stand in the context, or the tokenizer makes no token of the first.
        """
        places = places_of(answers, self.context, row)
        if not places:
            return None
        begin, end = places[0]
        inside = [place for place in self.tokens if self.offsets[place][0] < end and self.offsets[place][1] > begin]
        if not inside:
            raise DataError(
                f"{named(row)} has the answer {answers[0].text!r:.80}, of which the tokenizer makes no token.",
                "an answer with words.",
                "leave the row out, or give it empty answers.",
            )
        return inside[0], inside[-1]


@dataclass(frozen=True)
class Window:
    """A part of a pair's context, with all that stands around the context.

    Args:
        pair: the whole.
        tokens: which tokens of the context it holds, by their places in the whole.
    """

    pair: Pair
    tokens: range

    @property
    def null(self) -> int:
        """The place that stands for "no answer"; it may stand behind the context."""
        missing = len(self.pair.tokens) - len(self.tokens)
        return self.pair.null - (missing if self.pair.null >= self.pair.tokens.stop else 0)

    def feature(self) -> dict[str, Any]:
        """Give what goes through the network, by name, and what is needed to read an answer off.

        That is the `context`, the place `first` of its first token in the window, the characters of the window's
        tokens (`starts`, and behind the last `ends`), and the place `null`.
        """
        whole, cut = self.pair.tokens, self.tokens
        columns = {
            name: [*values[: whole.start], *values[cut.start : cut.stop], *values[whole.stop :]]
            for name, values in self.pair.columns.items()
        }
        offsets = self.pair.offsets[cut.start : cut.stop]
        starts, ends = [start for start, _ in offsets], [end for _, end in offsets]
        known = {"context": self.pair.context, "first": whole.start, "null": self.null}
        return {**columns, **known, "starts": starts, "ends": ends}

    def place_of(self, span: tuple[int, int] | None) -> tuple[int, int]:
        """Give where a span of tokens of the whole stands in this window; twice `null` where it is not all in it."""
        if span is None or not (self.tokens.start <= span[0] and span[1] < self.tokens.stop):
            return self.null, self.null
        missing_before = self.tokens.start - self.pair.tokens.start
        return span[0] - missing_before, span[1] - missing_before


def _overlapping(tokens: range, room: int, stride: int) -> Iterator[range]:
    """Give windows of `room` tokens that share `stride` of them; the last one may be shorter."""
    start = tokens.start
    while start + room < tokens.stop:
        yield range(start, start + room)
        start += room - stride
    yield range(start, tokens.stop)
