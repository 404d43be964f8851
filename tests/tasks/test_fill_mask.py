"""Masked language modelling: which words are hidden, what is learned, what fills a mask."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch.nn import functional as F
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedTokenizerFast, pipeline

import keraslike
from keraslike import Model
from keraslike.data.features import varied
from keraslike.errors import ArgumentError, DataError
from keraslike.losses import MaskedCrossEntropy
from keraslike.tasks import FillMask
from keraslike.tasks.feed import Feed
from tests.engine.loops import batches_by_hand, gradient_of, weights_of
from tests.engine.test_bits import decaying_groups
from tests.tiny import texts_with_labels

TEXTS = texts_with_labels()[0]
MASKED = ["a [MASK] film", "what a [MASK] cast !"]
SEED = 7


def built(folder: Path, **options: Any) -> FillMask:
    """Give a task with its tokenizer."""
    task = FillMask(**options)
    task.build(str(folder))
    return task


def blocks_of(task: FillMask, texts: list[str]) -> Any:
    """Give the packed features of texts, nothing hidden."""
    return Feed(task).batches(Feed(task).read(texts), len(texts)).features


# Three lines


def test_three_lines(tiny_bert: Path):
    """Plain texts are learned from, measured, and a mask is filled."""
    model = Model(str(tiny_bert), task="fill-mask", device="cpu")
    history = model.fit(TEXTS, validation_split=0.2, epochs=2, seed=0, verbose=0)
    answers = model.predict("a [MASK] film")

    assert set(history[0]) == {"epoch", "time", "loss", "perplexity", "val_loss", "val_perplexity"}
    assert [set(answer) for answer in answers] == [{"text", "token", "score"}] * 5


def test_learns(tiny_bert: Path):
    """The perplexity falls below that of the untrained head, and further."""
    model = Model(str(tiny_bert), task=FillMask(block_size=16), device="cpu")
    before = model.evaluate(TEXTS, verbose=0)["perplexity"]

    model.fit(TEXTS, epochs=40, learning_rate=5e-3, seed=0, verbose=0)

    assert model.evaluate(TEXTS, verbose=0)["perplexity"] < before / 3


# Words, whatever the tokenizer


def word_piece() -> Any:
    """Pieces of three letters: every word falls apart."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = [
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[PAD]",
        "[MASK]",
        *letters,
        *(f"##{letter}" for letter in letters),
        "-",
        "!",
        ",",
    ]
    backend = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return framed(backend, "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")


def byte_level(trims: bool) -> Any:
    """Byte-level BPE as RoBERTa's and GPT-2's: a space is part of the token behind it."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<pad>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=special, initial_alphabet=alphabet)
    backend.train_from_iterator(TEXTS, trainer)
    backend.post_processor = processors.ByteLevel(trim_offsets=trims)
    return framed(backend, *special, is_framed=False)


def unigram() -> Any:
    """SentencePiece's way: a space is a letter of its own, before each word."""
    letters = sorted({letter for text in [*TEXTS, SPACES] for letter in text if letter != " "})
    pieces = [("<s>", 0.0), ("</s>", 0.0), ("<pad>", 0.0), ("<unk>", 0.0), ("<mask>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in letters] + [("▁f", -3.5), ("il", -3.2)]
    backend = Tokenizer(models.Unigram(pieces, unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    return framed(backend, "<s>", "</s>", "<pad>", "<unk>", "<mask>")


def framed(backend: Any, cls: str, sep: str, pad: str, unknown: str, mask: str, *, is_framed: bool = True) -> Any:
    """Give a tokenizer of transformers with these special tokens."""
    if is_framed:
        ids = [(token, backend.token_to_id(token)) for token in (cls, sep)]
        backend.post_processor = processors.TemplateProcessing(single=f"{cls} $A {sep}", special_tokens=ids)
    names = {"cls_token": cls, "sep_token": sep, "pad_token": pad, "unk_token": unknown, "mask_token": mask}
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **names)


SPACES = "a  well-known film ,\twonderful ! new\nlines"
TOKENIZERS = {
    "word pieces": word_piece,
    "bytes": lambda: byte_level(trims=True),
    "bytes with spaces": lambda: byte_level(trims=False),
    "unigram": unigram,
}


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("text", [TEXTS[10], SPACES], ids=["plain", "odd spaces"])
def test_tokens_of_a_word_have_one_number(kind: str, text: str):
    """The tokens under one number, put together, are a word of the text as `split` gives it; no word is missing."""
    task, tokenizer = FillMask(), TOKENIZERS[kind]()
    task._keep_tokenizer(tokenizer, None, None)

    (feature,) = task.encode({"text": text, "target": text})

    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    letters: dict[int, set[int]] = {}
    for number, (start, end) in zip(feature["words"], offsets, strict=False):
        letters.setdefault(int(number), set()).update(range(start, end))
    found = ["".join(text[place] for place in sorted(letters[number])).strip() for number in sorted(letters)]
    words = [word for number, word in zip(sorted(letters), found, strict=True) if number >= 0]
    assert words == text.split()


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_whole_words_are_hidden(kind: str):
    """Either all tokens of a word are hidden, or none."""
    task = FillMask(share=0.5)
    task._keep_tokenizer(TOKENIZERS[kind](), None, None)

    for index, feature in enumerate(blocks_of(task, TEXTS)):
        target = task.vary(feature, np.random.default_rng(index))["target"]
        hidden = {int(word): set((target[feature["words"] == word] >= 0).tolist()) for word in feature["words"]}
        assert all(len(states) == 1 for states in hidden.values())
        assert hidden[-1] == {False}


def test_multibyte_letters_are_one_word():
    """The bytes of one letter share their place in the text, and their word."""
    task = FillMask()
    task._keep_tokenizer(byte_level(trims=True), None, None)

    (feature,) = task.encode({"text": "a 猫猫 film", "target": ""})

    assert feature["words"][:8].tolist() == [0, -1, *[1] * 6]  # a, a space, three bytes twice


def test_tokens_are_hidden_one_by_one():
    """With whole_words=False the tokens of a word are drawn apart."""
    task = FillMask(share=0.5, whole_words=False)
    task._keep_tokenizer(word_piece(), None, None)

    feature = blocks_of(task, ["wonderful " * 6])[0]

    assert sorted(set(feature["words"].tolist())) == [-1, *range(54)]


# What is drawn


def drawn(task: FillMask, texts: list[str], times: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give ids before and after, and targets, of many draws."""
    features = blocks_of(task, texts)
    pairs = [(f, varied(features, i, task.vary, (1, t))) for t in range(times) for i, f in enumerate(features)]
    ids = np.concatenate([feature["input_ids"] for feature, _ in pairs])
    return ids, *(np.concatenate([found[key] for _, found in pairs]) for key in ("input_ids", "target"))


def test_shares(tiny_bert: Path):
    """15 % of the words are hidden: 80 % of their tokens masked, 10 % another token, 10 % as they are."""
    task = built(tiny_bert)

    ids, seen, target = drawn(task, TEXTS, 300)

    hidden, special = target != -100, np.isin(ids, task.tokenizer.all_special_ids)
    masked, same = seen[hidden] == task.tokenizer.mask_token_id, seen[hidden] == ids[hidden]
    assert hidden[~special].mean() == pytest.approx(0.15, abs=0.01)  # 70,000 tokens: five times the spread
    assert masked.mean() == pytest.approx(0.8, abs=0.02)
    assert same.mean() == pytest.approx(0.1 + 0.1 / 67, abs=0.015)
    np.testing.assert_array_equal(target[hidden], ids[hidden])
    np.testing.assert_array_equal(seen[~hidden], ids[~hidden])


def test_special_tokens_stay(tiny_bert: Path):
    """Special tokens are never hidden, and never stand for another token, even if all is hidden at random."""
    task = built(tiny_bert, share=1.0, mask_replace_prob=0.0, random_replace_prob=1.0)

    ids, seen, target = drawn(task, [*TEXTS, "a [SEP] b"], 5)

    special = np.isin(ids, task.tokenizer.all_special_ids)
    assert (target[special] == -100).all()
    assert (target[~special] == ids[~special]).all()
    assert not np.isin(seen[~special], task.tokenizer.all_special_ids).any()


def test_anew_in_each_epoch(tiny_bert: Path):
    """Each (seed, epoch, block) has masks of its own, and always the same ones."""
    task = built(tiny_bert, block_size=32)
    features = blocks_of(task, TEXTS)

    masks = [varied(features, 0, task.vary, key)["target"].tolist() for key in [(1, 1), (1, 2), (2, 1), (1, 1)]]

    assert masks[0] == masks[3]
    assert all(one != other for one, other in pairwise(masks))


def test_measured_the_same_each_time(tiny_bert: Path):
    """Validation and evaluate hide the same words, whatever the seed of the fit."""
    models_of = [Model(str(tiny_bert), task=FillMask(block_size=16), optimizer="sgd", device="cpu") for _ in range(2)]
    losses = []
    for model in models_of:
        torch.manual_seed(3)
        model.fit(TEXTS, validation_data=TEXTS, epochs=2, learning_rate=1e-30, seed=5, verbose=0)
        losses += [model.history[0]["val_loss"], model.history[1]["val_loss"], model.evaluate(TEXTS, verbose=0)["loss"]]

    assert losses == pytest.approx([losses[0]] * 6, rel=1e-6)


# Blocks


def test_blocks_hold_all_texts_in_order(tiny_bert: Path):
    """All tokens of all texts are there, separated, in framed blocks of one size; the last is short."""
    task = built(tiny_bert, block_size=16)
    features = blocks_of(task, TEXTS)

    ids = [feature["input_ids"].tolist() for feature in features]
    inner = [block[1:-1] if len(block) == 16 else block[1:] for block in ids]  # a separator may close a block
    texts = [task.tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    assert [token for part in inner for token in part] == [token for text in texts for token in [*text, 3]]
    assert {len(block) for block in ids[:-1]} == {15, 16}
    assert {(block[0], block[-1]) for block in ids} == {(2, 3)}


def test_size_of_a_block(tiny_bert: Path):
    """A block has 128 tokens, or as many as the model takes, or as many as are said."""
    assert built(tiny_bert).block == 64
    assert built(tiny_bert, block_size=20).block == 20
    task = FillMask()
    task.build(str(tiny_bert), max_length=30)
    assert task.block == 30


def test_says_what_it_packed(tiny_bert: Path):
    """The note counts tokens, texts, blocks, and the texts without words."""
    task = built(tiny_bert, block_size=10)
    task.notes.clear()

    blocks = blocks_of(task, ["a film", "  ", "what a cast"])

    assert task.notes == ["7 tokens of 2 texts are packed into 1 block; 1 without words are left out."]
    assert len(blocks) == 1
    assert blocks[0]["row"].tolist() == [0, 2]


# The same as by hand


def blocks_by_hand(tokenizer: Any, size: int) -> list[tuple[list[int], list[int]]]:
    """Give ids and words of each block: words are told apart by the letters of `split`."""
    ids, words, number = [], [], 0
    for text in TEXTS:
        for word in text.split():
            pieces = tokenizer(word, add_special_tokens=False)["input_ids"]
            ids, words, number = ids + pieces, words + [number] * len(pieces), number + 1
        ids, words = [*ids, tokenizer.sep_token_id], [*words, -1]
    blocks = []
    for start in range(0, len(ids), size - 2):
        part, own = ids[start : start + size - 2], words[start : start + size - 2]
        first = min(word for word in own if word >= 0)
        end = [] if part[-1] == tokenizer.sep_token_id else [tokenizer.sep_token_id]
        own = [-1, *(word - first if word >= 0 else -1 for word in own), *[-1 for _ in end]]
        blocks.append(([tokenizer.cls_token_id, *part, *end], own))
    return blocks


def masked_by_hand(tokenizer: Any, block: tuple[list[int], list[int]], key: tuple[int, ...]) -> tuple[Any, Any]:
    """Draw as the documentation says: a number for each word, one for each token, a token for each token."""
    ids, words, generator = *block, np.random.default_rng(key)
    is_drawn = generator.random(max(words) + 1) < 0.15
    fate = generator.random(len(ids))
    others = generator.choice(sorted(set(range(len(tokenizer))) - set(tokenizer.all_special_ids)), len(ids))
    seen, labels = list(ids), [-100] * len(ids)
    for place, word in enumerate(words):
        if word >= 0 and is_drawn[word]:
            labels[place] = ids[place]
            seen[place] = [tokenizer.mask_token_id, int(others[place]), ids[place]][
                int((fate[place] >= [0.8, 0.9]).sum())
            ]
    return torch.tensor(seen), torch.tensor(labels)


def train_by_hand(folder: Path, epochs: int, batch_size: int) -> Any:
    """Fine-tune with transformers' tokenizer, the Auto class and its own loss, and torch."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    blocks = blocks_by_hand(tokenizer, 16)
    torch.manual_seed(SEED)
    network = AutoModelForMaskedLM.from_pretrained(folder)
    optimizer = torch.optim.AdamW(decaying_groups(network), lr=5e-5, fused=True)
    updates = epochs * -(-len(blocks) // batch_size)
    warm = -(-updates // 10)
    assert updates == 20
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / warm if step < warm else (updates - step) / (updates - warm)
    )
    network.train()
    for epoch in range(1, epochs + 1):
        for rows in batches_by_hand(len(blocks), batch_size, SEED, epoch):
            drawn = [masked_by_hand(tokenizer, blocks[row], (SEED, epoch, int(row))) for row in rows]
            pad = torch.nn.utils.rnn.pad_sequence
            ids = pad([seen for seen, _ in drawn], batch_first=True, padding_value=tokenizer.pad_token_id)
            mask = pad([torch.ones_like(seen) for seen, _ in drawn], batch_first=True)
            labels = pad([label for _, label in drawn], batch_first=True, padding_value=-100)
            optimizer.zero_grad()
            network(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network


@pytest.mark.parametrize("body", ["tiny_bert", "tiny_roberta", "tiny_distilbert"])
def test_twenty_updates_by_hand(body: str, request: pytest.FixtureRequest):
    """The weights after 20 updates are those of a loop by hand with the head's own loss, bit for bit."""
    folder = request.getfixturevalue(body)
    by_hand = train_by_hand(folder, epochs=2, batch_size=2)
    model = Model(str(folder), task=FillMask(block_size=16), device="cpu")

    model.fit(TEXTS, epochs=2, batch_size=2, micro_batch_size=None, seed=SEED, verbose=0)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def batch_of(task: FillMask, count: int = 6) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Give a batch with words hidden."""
    batches = Feed(task).batches(Feed(task).read(TEXTS), count, is_measured=True)
    inputs, targets = task.collate(batches.features[:count])
    return inputs, targets


@pytest.mark.parametrize("body", ["tiny_bert", "tiny_roberta", "tiny_distilbert"])
def test_loss_is_the_heads(body: str, request: pytest.FixtureRequest):
    """The loss is that of transformers' own head."""
    task = FillMask(block_size=12)
    network = task.build(str(request.getfixturevalue(body))).eval()
    inputs, targets = batch_of(task)

    ours = task.loss.mean(task.read_outputs(network(**inputs)), targets)

    assert ours.item() == pytest.approx(network(**inputs, labels=targets).loss.item(), rel=1e-6)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_parts_have_the_gradient_of_the_batch(tiny_bert: Path, size: int):
    """Totals of micro-batches of any size, by the count of all, have the gradient of the whole batch."""
    task = FillMask(block_size=12, share=0.2)
    network = task.build(str(tiny_bert)).eval().double()
    features = Feed(task).batches(Feed(task).read(TEXTS), 9, is_measured=True).features[:9]
    loss, (inputs, targets) = task.loss, task.collate(features)
    labels = torch.where(targets == -100, 0, targets)
    picked = network(**inputs).logits.log_softmax(-1).gather(-1, labels[..., None])[..., 0][targets != -100]
    whole = gradient_of(network, -picked.mean())

    parts = [task.collate(features[start : start + size]) for start in range(0, 9, size)]
    totals = [loss.total(network(**x).logits, y) / loss.count(targets) for x, y in parts]

    torch.testing.assert_close(gradient_of(network, sum(totals)), whole, rtol=1e-10, atol=1e-12)


def test_a_block_without_masks_counts_nothing(tiny_bert: Path):
    """Where nothing is hidden sum, count and gradient are 0."""
    logits, loss = torch.randn(1, 5, 9, requires_grad=True), MaskedCrossEntropy()
    targets = torch.full((1, 5), -100)

    total = loss.total(logits, targets)
    total.backward()

    assert (total.item(), loss.count(targets)) == (0, 0)
    assert not logits.grad.any()
    nothing = FillMask(share=1e-12)
    model = Model(str(tiny_bert), task=nothing, device="cpu")
    model.fit(TEXTS, epochs=1, verbose=0)
    assert np.isfinite(weights_of(model.network).numpy()).all()


def test_perplexity_is_exp_of_the_loss(tiny_bert: Path):
    """Perplexity is exp of the mean over all hidden tokens of the set, whatever goes through at once."""
    model = Model(str(tiny_bert), task=FillMask(block_size=12), device="cpu")
    inputs, targets = batch_of(model.task, count=100)
    with torch.no_grad():
        logits = model.network.wrapped.eval()(**inputs).logits
    expected = F.cross_entropy(logits.flatten(0, 1).double(), targets.flatten())

    values = [model.evaluate(TEXTS, batch_size=size, verbose=0) for size in (None, 1, 7)]

    assert [value["perplexity"] for value in values] == pytest.approx([float(expected.exp())] * 3, rel=1e-5)
    assert [value["loss"] for value in values] == pytest.approx([float(expected)] * 3, rel=1e-5)


# Filling


@pytest.mark.parametrize("body", ["tiny_bert", "tiny_roberta", "tiny_distilbert"])
def test_saved_loaded_and_in_the_pipeline(body: str, request: pytest.FixtureRequest, tmp_path: Path):
    """What is saved answers the same when loaded, and in transformers' pipeline."""
    model = Model(str(request.getfixturevalue(body)), task=FillMask(top_k=3), device="cpu")
    model.fit(TEXTS, epochs=2, learning_rate=1e-3, seed=0, verbose=0)
    model.save(tmp_path / "saved")
    mask = model.task.tokenizer.mask_token
    texts = [text.replace("[MASK]", mask) for text in MASKED]

    answers = model.predict(texts)
    again = keraslike.load(tmp_path / "saved", device="cpu").predict(texts)
    theirs = pipeline("fill-mask", model=str(tmp_path / "saved"), device="cpu")(texts, top_k=3)

    assert again == answers
    for ours, one in zip(answers, theirs, strict=True):
        assert [a["text"] for a in ours] == [t["sequence"] for t in one]
        assert [a["token"] for a in ours] == [t["token_str"] for t in one]
        assert [a["score"] for a in ours] == pytest.approx([t["score"] for t in one], rel=1e-5)


def test_several_masks(tiny_bert: Path):
    """A text with several masks has a list for each, the other masks left, with the pipeline's tokens and scores."""
    model = Model(str(tiny_bert), task=FillMask(top_k=2), device="cpu")
    text = "the [MASK] was [MASK] from the first scene"

    (answers, one) = model.predict([text, "a [MASK] film"])

    theirs = pipeline("fill-mask", model=model.network.wrapped, tokenizer=model.task.tokenizer, device="cpu")
    assert [[a["token"] for a in best] for best in answers] == [
        [t["token_str"] for t in best] for best in theirs(text, top_k=2)
    ]
    first = answers[0][0]
    assert first["text"] == f"the {first['token']} was [MASK] from the first scene"
    assert answers[1][1]["text"] == f"the [MASK] was {answers[1][1]['token']} from the first scene"
    assert isinstance(one[0], dict)


@pytest.mark.parametrize("body", ["tiny_bert", "tiny_roberta"])
def test_both_ways_of_writing_a_mask(body: str, request: pytest.FixtureRequest):
    """`[MASK]` and `<mask>` are understood, whatever the tokenizer's own is."""
    model = Model(str(request.getfixturevalue(body)), task="fill-mask", device="cpu")

    answers = model.predict(["a [MASK] film", "a <mask> film", f"a {model.task.tokenizer.mask_token} film"])

    assert answers[0] == answers[1] == answers[2]


def test_keeps_the_best_at_the_masks_alone(tiny_bert: Path):
    """What is kept of a text is a few numbers for each mask, not one for each token of the vocabulary."""
    task = FillMask(top_k=4)
    network = task.build(str(tiny_bert)).eval()
    features = [{**task.encode({"text": text})[0], "row": row} for row, text in enumerate([*MASKED, "[MASK] [MASK]"])]

    outputs = task.predict_batch(lambda inputs: network(**inputs), task.collate(features)[0])

    assert tuple(outputs.shape) == (3, 2, 4, 2)
    assert (outputs[0, 1] == 0).all()


# Mistakes


def test_no_mask(tiny_bert: Path):
    """A text without a mask is named with its row."""
    model = Model(str(tiny_bert), task="fill-mask", device="cpu")

    with pytest.raises(DataError) as error:
        model.predict(["a [MASK] film", "a film"])

    assert str(error.value) == (
        "row 1 of x has no mask: 'a film'.\n"
        "  Expected: a text with [MASK] in it.\n"
        "  Do: put it where a word is asked for."
    )


def test_too_long(tiny_bert: Path):
    """A text that the model cannot read at once is refused: its mask may be lost."""
    model = Model(str(tiny_bert), task="fill-mask", device="cpu")

    with pytest.raises(DataError, match=r"row 0 of x has 103 tokens: .*\n.*at most 64, .*\n.*around the mask"):
        model.predict([f"[MASK]{' film' * 100}"])


def test_no_mask_token(tiny_bert: Path, tiny_gpt2: Path):
    """A tokenizer without a mask token is refused."""
    with pytest.raises(ArgumentError, match=r"the tokenizer has no mask token.\n.*BERT.*\n.*text-generation"):
        Model(str(tiny_bert), task="fill-mask", tokenizer=str(tiny_gpt2), device="cpu")


def test_no_such_head(tiny_gpt2: Path, tiny_bert: Path):
    """A model that has no head for masks is refused, with the task that fits it."""
    with pytest.raises(ArgumentError, match=r"is a 'gpt2' model, which has no head for 'fill-mask'.\n.*\n.*GPT-2"):
        Model(str(tiny_gpt2), task="fill-mask", tokenizer=str(tiny_bert), device="cpu")


def test_slow_tokenizer(tiny_bert: Path):
    """A tokenizer that tells no offsets cannot find words; one by one its tokens can be hidden."""

    class Slow:
        is_fast = False

        def __init__(self) -> None:
            self.real = AutoTokenizer.from_pretrained(tiny_bert)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def __call__(self, *arguments: Any, **options: Any) -> Any:
            assert not options.get("return_offsets_mapping")
            return self.real(*arguments, **options)

    with pytest.raises(ArgumentError, match=r"Slow does not tell where.*\n.*\n.*FillMask\(whole_words=False\)"):
        FillMask().build(str(tiny_bert), tokenizer=Slow())

    task = FillMask(whole_words=False)
    task.build(str(tiny_bert), tokenizer=Slow())
    assert len(blocks_of(task, TEXTS)) > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 1.5}, r"share=1.5 is no share.\n.*0 to 1"),
        ({"share": "15 %"}, r"share='15 %' is no share"),
        ({"share": 0}, r"share=0, .* do not fit together.\n.*above 0"),
        ({"mask_replace_prob": 0.8, "random_replace_prob": 0.3}, r"do not fit together.\n.*at most 1 together"),
        ({"top_k": 0}, r"top_k=0 gives no answer"),
        ({"top_k": 2.5}, r"top_k=2.5 gives no answer"),
        ({"block_size": "12"}, r"block_size='12' is no number of tokens"),
        ({"sample_by": "lines"}, r"no sample_by='lines'.\n.*'line', 'paragraph', 'document'.\n.*'line'"),
    ],
)
def test_options(options: dict[str, Any], message: str):
    """Options that cannot be meant are answered at once."""
    with pytest.raises(ArgumentError, match=message):
        FillMask(**options)
