"""Makes tiny models and tokenizers from configs, in folders as a hub would hold them; no network is needed.

They are drawn with a fixed seed, and the caller's random numbers are left as they were.
"""

from itertools import product
from pathlib import Path
from typing import Any

MAX_LENGTH = 64
WIDTH = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def texts_with_labels() -> tuple[list[str], list[str]]:
    """Give 40 short texts of different lengths and their labels, "good" and "bad" in turn."""
    good = ["wonderful", "great", "delightful", "superb", "moving"]
    bad = ["terrible", "awful", "boring", "dreadful", "clumsy"]
    frames = ["a {} film", "the story was {} from the first scene", "what a {} cast !", "i found the ending {} ."]
    texts, labels = [], []
    for frame, (cheer, boo) in product(frames, zip(good, bad, strict=True)):
        texts += [frame.format(cheer), frame.format(boo)]
        labels += ["good", "bad"]
    return texts, labels


def make_tiny_bert(folder: Path) -> Path:
    """Save a BERT body and its tokenizer in `folder`, and give it back."""
    from transformers import BertConfig, BertModel

    tokenizer = make_tokenizer("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", second_segment=1)
    config = BertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=MAX_LENGTH, pad_token_id=tokenizer.pad_token_id, **WIDTH
    )
    return save(BertModel, config, tokenizer, folder)


def make_tiny_distilbert(folder: Path) -> Path:
    """Save a DistilBERT body and its tokenizer in `folder`, and give it back."""
    from transformers import DistilBertConfig, DistilBertModel

    tokenizer = make_tokenizer("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=MAX_LENGTH,
        pad_token_id=tokenizer.pad_token_id,
        dim=32,
        n_layers=2,
        n_heads=2,
        hidden_dim=64,
    )
    return save(DistilBertModel, config, tokenizer, folder)


def make_tiny_roberta(folder: Path) -> Path:
    """Save a RoBERTa body and its tokenizer in `folder`, and give it back."""
    from transformers import RobertaConfig, RobertaModel

    tokenizer = make_tokenizer("<s>", "</s>", "<pad>", "<unk>", "<mask>")
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=MAX_LENGTH + tokenizer.pad_token_id + 1,  # positions start behind the padding's id
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        **WIDTH,
    )
    return save(RobertaModel, config, tokenizer, folder)


def make_tiny_gpt2(folder: Path) -> Path:
    """Save a GPT-2 body and its tokenizer, which has no padding token, in `folder`, and give it back."""
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    end = "<|endoftext|>"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=make_word_pieces(end, [end]),
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", "attention_mask"],
        unk_token=end,
        bos_token=end,
        eos_token=end,
    )
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=MAX_LENGTH, n_embd=32, n_layer=2, n_head=2, **ids)
    return save(GPT2Model, config, tokenizer, folder)


def make_tiny_t5(folder: Path) -> Path:
    """Save a T5, encoder and decoder, and its tokenizer in `folder`, and give it back."""
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = make_sequence_tokenizer()
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    config = T5Config(vocab_size=len(tokenizer), decoder_start_token_id=tokenizer.pad_token_id, **ids, **sizes)
    return save(T5ForConditionalGeneration, config, tokenizer, folder)


def make_tiny_bart(folder: Path) -> Path:
    """Save a BART, encoder and decoder, and its tokenizer in `folder`, and give it back."""
    from transformers import BartConfig, BartForConditionalGeneration

    tokenizer = make_sequence_tokenizer()
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    layers = {f"{side}_{what}": 2 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    sizes = {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": MAX_LENGTH}
    start = {"decoder_start_token_id": tokenizer.eos_token_id, "forced_eos_token_id": None}
    config = BartConfig(vocab_size=len(tokenizer), **start, **ids, **layers, **sizes)
    return save(BartForConditionalGeneration, config, tokenizer, folder)


def make_sequence_tokenizer() -> Any:
    """Make a tokenizer that ends every text, as those of T5 do."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    backend = make_word_pieces("<unk>", ["<pad>", "</s>", "<unk>"])
    end = ("</s>", backend.token_to_id("</s>"))
    backend.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[end])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", "attention_mask"],
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    )


def make_tiny_vit(folder: Path) -> Path:
    """Save a ViT body for images of 16 x 16 in `folder`, without a processor, and give it back."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(image_size=16, patch_size=4, initializer_range=0.2, **WIDTH)  # 0.02 leaves it slow to start
    return save(ViTModel, config, None, folder)


def make_tiny_wav2vec2(folder: Path, norm: str = "group") -> Path:
    """Save a wav2vec 2.0 body, a frame for 80 samples, in `folder`, without a processor, and give it back.

    Args:
        folder: where.
        norm: "group", by which padding changes what is heard, or "layer", by which an attention mask hides it.
    """
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    convolutions = {"conv_dim": (16, 16, 16), "conv_kernel": (10, 4, 4), "conv_stride": (5, 4, 4)}
    positions = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    sizes = {"classifier_proj_size": 16, "num_feat_extract_layers": 3, **convolutions, **positions, **WIDTH}
    config = Wav2Vec2Config(feat_extract_norm=norm, do_stable_layer_norm=norm == "layer", **sizes)
    return save(Wav2Vec2Model, config, None, folder)


def make_tokenizer(cls: str, sep: str, pad: str, unknown: str, mask: str, second_segment: int | None = None) -> Any:
    """Train a tokenizer that frames texts and pairs by `cls` and `sep`, as BERT's does."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    backend = make_word_pieces(unknown, [pad, unknown, cls, sep, mask])
    second = second_segment or 0
    backend.post_processor = TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:{second} {sep}:{second}",
        special_tokens=[(cls, backend.token_to_id(cls)), (sep, backend.token_to_id(sep))],
    )
    segments = [] if second_segment is None else ["token_type_ids"]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", *segments, "attention_mask"],
        cls_token=cls,
        sep_token=sep,
        pad_token=pad,
        unk_token=unknown,
        mask_token=mask,
    )


def make_word_pieces(unknown: str, special: list[str]) -> Any:
    """Make word pieces of the letters and words that the tests use; a trained set would differ in every process."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    texts = texts_with_labels()[0]
    words = sorted({word for text in texts for word in text.split()})
    letters = sorted({letter for word in words for letter in word})
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *(word for word in words if len(word) > 1)]
    backend = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token=unknown))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return backend


def save(body: Any, config: Any, tokenizer: Any, folder: Path) -> Path:
    """Draw the body's weights from a fixed seed and save it with its tokenizer, where it has one."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = body(config)
    network.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


def in_float64(network: Any) -> Any:
    """Give the network in float64, which takes inputs of float32 as if they were."""

    def widened(_: Any, args: Any, inputs: dict[str, Any]) -> Any:
        return args, {name: x.double() if x.is_floating_point() else x for name, x in inputs.items()}

    network.register_forward_pre_hook(widened, with_kwargs=True)
    return network.double()
