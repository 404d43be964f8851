"""A context is cut into the windows that transformers' tokenizers cut, and every place is kept."""

from collections.abc import Mapping
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from keraslike.data.answers import Answer
from keraslike.data.contexts import Pair, Window, text_of
from keraslike.errors import DataError

QUESTION = "what was the cast like ?"
CONTEXT = "the story was moving\n and the CAST   great ! i found the ending superb . what a cast , what a film !"

bodies = pytest.mark.parametrize("body", ["tiny_bert", "tiny_distilbert", "tiny_roberta", "tiny_gpt2"])


@pytest.fixture
def tokenizer(body: str, request: pytest.FixtureRequest) -> Any:
    """The tokenizer of a tiny model."""
    return AutoTokenizer.from_pretrained(request.getfixturevalue(body))


def pair_of(tokenizer: Any, question: str = QUESTION, context: str = CONTEXT) -> Pair:
    encoded = tokenizer([question], [context], truncation=False, return_offsets_mapping=True)
    return Pair.of(encoded, 0, context, tokenizer.cls_token_id)


def tokens_shown(feature: Mapping[str, Any]) -> list[str]:
    """Give the text of each token of the context."""
    return [feature["context"][start:end] for start, end in zip(feature["starts"], feature["ends"], strict=True)]


@bodies
@pytest.mark.parametrize(("limit", "stride"), [(20, 0), (20, 3), (27, 6), (64, 8), (None, 0)], ids=str)
def test_windows_are_those_of_transformers(tokenizer: Any, limit: int | None, stride: int):
    """Ids, segments and characters are those of `truncation="only_second"` with a stride."""
    windows = pair_of(tokenizer).windows(limit, stride)
    how: dict[str, Any] = {"truncation": "only_second", "max_length": limit, "stride": stride} if limit else {}
    theirs = tokenizer(QUESTION, CONTEXT, return_overflowing_tokens=True, return_offsets_mapping=True, **how)

    features = [window.feature() for window in windows]

    count = len(theirs["offset_mapping"]) if limit else 1
    assert len(features) == count
    assert (count > 1) == (limit in (20, 27))
    for index, feature in enumerate(features):
        for name in tokenizer.model_input_names:
            assert feature[name] == (theirs[name][index] if limit else theirs[name][0])
        parts = theirs.sequence_ids(index)
        assert feature["first"] == parts.index(1)
        offsets = [pair for pair, part in zip(theirs["offset_mapping"][index], parts, strict=True) if part == 1]
        assert list(zip(feature["starts"], feature["ends"], strict=True)) == offsets


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("body", ["tiny_bert"])
def test_sides_of_the_tokenizer_do_not_matter(tokenizer: Any, side: str):
    """Whichever side a tokenizer pads or truncates on, the windows are the same."""
    expected = [window.feature() for window in pair_of(tokenizer).windows(20, 3)]
    tokenizer.padding_side = tokenizer.truncation_side = side

    found = [window.feature() for window in pair_of(tokenizer).windows(20, 3)]

    assert found == expected


@pytest.mark.parametrize("body", ["tiny_bert"])
def test_classification_token_behind_the_context(tokenizer: Any):
    """Where the classification token stands last, as XLNet's, it is found at the end of every window."""
    ends = [("[SEP]", tokenizer.sep_token_id), ("[CLS]", tokenizer.cls_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A [SEP] [CLS]", pair="$A [SEP] $B:1 [SEP]:1 [CLS]:2", special_tokens=ends
    )

    windows = pair_of(tokenizer, "is [CLS] a word ?").windows(20, 3)

    assert len(windows) > 1
    for window in windows:
        feature = window.feature()
        assert feature["null"] == len(feature["input_ids"]) - 1
        assert feature["input_ids"][feature["null"]] == tokenizer.cls_token_id
        assert window.place_of(None) == (feature["null"], feature["null"])


@bodies
def test_no_answer_stands_at_the_classification_token(tokenizer: Any):
    """It is the first token of these models; one without such a token takes the first one, too."""
    windows = pair_of(tokenizer).windows(20, 3)

    assert {window.null for window in windows} == {0}


@bodies
def test_every_window_knows_where_the_answer_stands(tokenizer: Any):
    """The answer is found in each window that holds all of it, and in no other."""
    pair = pair_of(tokenizer)
    start = CONTEXT.index("CAST")
    span = pair.span_of([Answer("CAST   great", start)])

    found = []
    for window in pair.windows(20, 6):
        first, last = window.place_of(span)
        feature = window.feature()
        text = " ".join(tokens_shown(feature))
        if first == feature["null"]:
            assert "CAST great" not in text
            continue
        shown = tokens_shown(feature)[first - feature["first"] : last - feature["first"] + 1]
        found.append(" ".join(shown))

    assert set(found) == {"CAST great"}


@pytest.mark.parametrize("body", ["tiny_bert"])
@pytest.mark.parametrize("length", [2, 3])
def test_answers_over_the_edge_of_a_window(tokenizer: Any, length: int):
    """An answer of which a window holds only the beginning, or only the end, is none in that window."""
    pair = pair_of(tokenizer)
    cut = set()
    for window in pair.windows(20, 3):
        feature = window.feature()
        left, right = feature["starts"][0], feature["ends"][-1]
        for first in pair.tokens[: -length + 1]:
            last = first + length - 1
            start, end = pair.offsets[first][0], pair.offsets[last][1]
            is_inside = left <= start and end <= right
            cut |= {"left"} if start < left < end else {"right"} if start < right < end else set()

            place = window.place_of((first, last))

            assert (place == (window.null, window.null)) == (not is_inside)
            if is_inside:
                starts, ends = feature["starts"].index(start), feature["ends"].index(end)
                assert place == (feature["first"] + starts, feature["first"] + ends)
    assert cut == {"left", "right"}


def window_texts(windows: list[Window]) -> list[str]:
    return [" ".join(tokens_shown(window.feature())) for window in windows]


@pytest.mark.parametrize("body", ["tiny_bert"])
def test_stride_is_half_a_window_at_most(tokenizer: Any):
    """A stride as wide as a window, which would never end, becomes half of what it holds of the context."""
    pair = pair_of(tokenizer)

    assert window_texts(pair.windows(20, 1000)) == window_texts(pair.windows(20, (20 - 9) // 2))


@pytest.mark.parametrize("body", ["tiny_bert"])
def test_answer_that_is_a_part_of_a_word(tokenizer: Any):
    """An answer that begins or ends within a token takes the whole token."""
    pair = pair_of(tokenizer)
    start = CONTEXT.index("uperb")

    first, last = pair.span_of([Answer("uper", start)]) or (0, 0)

    assert first == last
    assert CONTEXT[pair.offsets[first][0] : pair.offsets[last][1]] == "superb"


@pytest.mark.parametrize("body", ["tiny_bert"])
def test_first_answer_is_learned_and_all_are_checked(tokenizer: Any):
    """Of several answers the first one is the target; no answer is None; a wrong one behind it is an error."""
    pair = pair_of(tokenizer, context="a great film")

    assert pair.span_of([Answer("great", 2), Answer("a", 0)]) == pair.span_of([Answer("great", 2)])
    assert pair.span_of([]) is None
    with pytest.raises(DataError, match=r"row 2 .*'a' does not begin at character 4"):
        pair.span_of([Answer("great", 2), Answer("a", 4)], 2)


@pytest.mark.parametrize("body", ["tiny_bert"])
def test_question_that_leaves_no_room(tokenizer: Any):
    """Only contexts are cut: a question that takes all tokens is refused with the numbers."""
    with pytest.raises(
        DataError, match=r"row 4 .*: its question, with special tokens, takes 9 of max_length=9"
    ) as error:
        pair_of(tokenizer).windows(9, 3, 4)

    assert "Model(..., max_length=)" in str(error.value)
    assert len(pair_of(tokenizer).windows(10, 3)) == len(pair_of(tokenizer).tokens)


@pytest.mark.parametrize("body", ["tiny_bert"])
def test_text_of_which_the_tokenizer_makes_nothing(tokenizer: Any):
    """Characters that a tokenizer drops make no context, and no answer."""
    encoded = tokenizer(["what ?"], ["\u200b\u200b"], return_offsets_mapping=True)

    with pytest.raises(
        DataError, match=r"row 1 \(counted from 0\) has a context of which the tokenizer makes no token"
    ):
        Pair.of(encoded, 0, "\u200b\u200b", tokenizer.cls_token_id, 1)
    with pytest.raises(DataError, match=r"row 1 .* has the answer .*, of which the tokenizer makes no token"):
        pair_of(tokenizer, context="a \u200b film").span_of([Answer("\u200b", 2)], 1)


@pytest.mark.parametrize(
    ("given", "shown"), [(None, "None, None"), ("", "'', a str"), (" \n", "a str"), (3, "3, an int")]
)
def test_what_is_no_text(given: Any, shown: str):
    """A question or context that is missing, empty or no text is refused with its row and value."""
    with pytest.raises(DataError, match=r"row 7 \(counted from 0\) has the context ") as error:
        text_of({"context": given}, "context", 7)

    assert shown in str(error.value)
    assert "fit(..., text=[question, context])" in str(error.value)
