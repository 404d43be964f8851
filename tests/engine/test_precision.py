"""The number format of forward and backward, beside hand-written mixed precision."""

import copy

import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from transformers import BertConfig, BertForSequenceClassification

from keraslike.engine import precision as room
from keraslike.engine.precision import BFloat16, Float16, Precision, choose_precision, full
from keraslike.errors import ArgumentError
from tests.engine.loops import make_data, make_mlp, weights_of

CPU, CUDA, MPS, XPU = (torch.device(kind) for kind in ("cpu", "cuda", "mps", "xpu"))


def train(precision: Precision, parts: int = 1, steps: int = 3) -> nn.Module:
    """Train as the loop does: scaled losses, gradients unscaled once per step, the scale chosen at its end."""
    network, (x, y) = make_mlp(), make_data(8)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        for x_part, y_part in zip(x.chunk(parts), y.chunk(parts), strict=True):
            with precision.forward():
                outputs = network(x_part)
            loss = nn.functional.cross_entropy(full(outputs), y_part, reduction="sum") / len(x)
            precision.scaled(loss).backward()
        precision.unscale(optimizer)
        optimizer.step()
        precision.update()
    return network


def train_by_hand(dtype: torch.dtype | None, steps: int = 3) -> nn.Module:
    """Train as torch's documentation writes it, in float32 or by autocast with a GradScaler for float16."""
    network, (x, y) = make_mlp(), make_data(8)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    scaler = GradScaler("cpu", enabled=dtype is torch.float16)
    for _ in range(steps):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            outputs = network(x)
        scaler.scale(nn.functional.cross_entropy(outputs.float(), y, reduction="sum") / len(x)).backward()
        scaler.step(optimizer)
        scaler.update()
    return network


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [(Precision(), None), (BFloat16("cpu"), torch.bfloat16), (Float16("cpu"), torch.float16)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_equals_the_loop_by_hand(precision, dtype):
    """Three steps give the bits of torch's own recipe for this format."""
    assert torch.equal(weights_of(train(precision)), weights_of(train_by_hand(dtype)))


@pytest.mark.parametrize("precision", [BFloat16("cpu"), Float16("cpu")], ids=lambda value: value.name)
def test_half_is_near_float32(precision):
    """Weights trained with half-wide products are near those of float32: 3 digits, what bfloat16's fraction holds."""
    torch.testing.assert_close(weights_of(train(precision)), weights_of(train(Precision())), rtol=0, atol=4e-3)


def test_several_backwards_in_a_step():
    """The scale holds for all parts of a step: their gradients add up to those of the whole batch."""
    torch.testing.assert_close(
        weights_of(train(Float16("cpu"), parts=4)), weights_of(train(Float16("cpu"))), rtol=0, atol=1e-3
    )


def test_weights_stay_in_float32():
    """Only products are half as wide; weights and gradients keep their format."""
    network = train(BFloat16("cpu"))

    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert {parameter.grad.dtype for parameter in network.parameters()} == {torch.float32}


def test_forward_is_half_and_full_is_not():
    """The network computes in the half-wide format; losses and metrics see float32."""
    network = make_mlp()

    with BFloat16("cpu").forward():
        outputs = network(torch.zeros(2, 4))

    assert outputs.dtype == torch.bfloat16
    assert full(outputs).dtype == torch.float32


def test_full_keeps_nested_outputs():
    """Nested outputs keep their kind; only half-wide tensors change, with their gradient."""
    half = torch.ones(2, dtype=torch.float16, requires_grad=True)
    double, mask = torch.ones(2, dtype=torch.float64), torch.ones(2, dtype=torch.bool)

    outputs = full({"logits": half, "more": (double, [mask, None])})
    outputs["logits"].sum().backward()

    assert outputs["logits"].dtype == torch.float32
    assert outputs["more"][0] is double
    assert outputs["more"][1][0] is mask
    assert half.grad.dtype == torch.float16


def test_full_of_transformers_outputs():
    """The outputs of transformers keep their class, whose fields are read as attributes."""
    network = BertForSequenceClassification(tiny_config())

    with BFloat16("cpu").forward():
        outputs = network(input_ids=torch.tensor([[2, 3, 4]]), labels=torch.tensor([1]))
    wide = full(outputs)

    assert type(wide) is type(outputs)
    assert wide.logits.dtype == wide["loss"].dtype == torch.float32


def test_full_of_float32_is_the_same_object():
    """Where nothing is half-wide nothing is copied."""
    outputs = {"logits": torch.zeros(2)}

    assert full(outputs) is outputs


def overflowing() -> tuple[Float16, nn.Parameter, torch.optim.Optimizer]:
    """Give a weight whose float16 gradient overflows at the first scale, after its backward."""
    precision, weight = Float16("cpu"), nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    precision.scaled((weight.half() * 3).float().sum()).backward()
    return precision, weight, optimizer


def test_overflow_halves_the_scale():
    """A gradient beyond float16's largest number, 65,504, is infinite; the next step's scale is half as large."""
    precision, weight, optimizer = overflowing()

    precision.unscale(optimizer)
    precision.update()

    assert torch.isinf(weight.grad).all()
    assert precision.state()["scale"] == 2.0**15


def test_overflow_is_forgiven():
    """A gradient that is not finite beside a finite loss may come from the scale; beside another loss it does not."""
    precision, _, _ = overflowing()

    assert precision.forgives(is_loss_finite=True)
    assert not precision.forgives(is_loss_finite=False)
    assert not Precision().forgives(is_loss_finite=True)


def test_the_smallest_scale_is_not_forgiven():
    """At a scale of 1 the gradient itself is not finite."""
    precision = Float16("cpu")
    precision.load_state({"scale": 1.0, "steps": 0.0})

    assert not precision.forgives(is_loss_finite=True)


def test_step_without_a_backward():
    """A step that ends before its backward, at a loss that is not finite, leaves the scale as it is."""
    precision, weight = Float16("cpu"), nn.Parameter(torch.ones(1))

    precision.unscale(torch.optim.SGD([weight], lr=1.0))
    precision.update()

    assert precision.state()["scale"] == 2.0**16


def test_scale_goes_on_from_a_checkpoint():
    """Scale and step count are plain numbers, and a new scaler goes on from them, to the same bits."""
    whole, first = Float16("cpu"), Float16("cpu")
    train(whole, steps=2)
    train(first, steps=2)

    second = Float16("cpu")
    second.load_state(first.state())

    assert first.state() == {"scale": 2.0**16, "steps": 2.0}
    train(whole, steps=1)
    train(second, steps=1)
    assert second.state() == whole.state()


@pytest.mark.parametrize("precision", [Precision(), BFloat16("cpu"), Float16("cpu")], ids=lambda value: value.name)
def test_state_of_another_precision(precision):
    """A checkpoint of another precision is no reason to stop: there is nothing of it to go on from."""
    before = precision.state()

    precision.load_state({})

    assert precision.state() == before


@pytest.mark.parametrize("device", [CPU, CUDA, MPS, XPU], ids=str)
@pytest.mark.parametrize("is_transformer", [True, False])
def test_auto(device, is_transformer, monkeypatch):
    """The word "auto" is bf16 for a transformer on an accelerator that has it, never on a CPU or on Apple's."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not including_emulation)
    monkeypatch.setattr(torch.xpu, "is_bf16_supported", lambda including_emulation: not including_emulation)

    chosen = choose_precision("auto", device, make_mlp(), is_transformer=is_transformer)

    assert chosen.name == ("bf16" if is_transformer and device in (CUDA, XPU) else "float32")
    assert chosen.note is None


def test_auto_on_an_older_gpu(monkeypatch):
    """A GPU that has bf16 only by emulation stays with float32."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)

    assert choose_precision("auto", CUDA, make_mlp(), is_transformer=True).name == "float32"


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_auto_leaves_other_parameters(dtype, monkeypatch):
    """A network whose parameters are not float32 is trained as it is."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)

    assert type(choose_precision("auto", CUDA, make_mlp(dtype=dtype), is_transformer=True)) is Precision


@pytest.mark.parametrize(
    ("word", "name"),
    [
        *((word, "float32") for word in ("float32", "fp32", "32", 32, torch.float32)),
        *((word, "bf16") for word in ("bf16", "BFloat16", "bf16-mixed", torch.bfloat16)),
        *((word, "fp16") for word in ("fp16", "float16", "16-mixed", 16, torch.float16)),
    ],
)
def test_words(word, name):
    """Other libraries' words, numbers and torch's dtypes are understood."""
    assert choose_precision(word, CPU, make_mlp(), is_transformer=False).name == name


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("fp61", "did you mean 'fp16'?"),
        ("bfloat", "did you mean 'bf16'?"),
        ("float64", "network.double()"),
        (8, 'write precision="auto"'),
        (torch.int8, "precision=torch.int8 is not known"),
        (True, "precision=True"),
        (None, "precision=None"),
    ],
)
def test_unknown_words(word, text):
    """A word that is not known is refused, with the nearest one."""
    with pytest.raises(ArgumentError) as caught:
        choose_precision(word, CPU, make_mlp(), is_transformer=False)

    assert text in str(caught.value)
    assert '"auto", "float32", "bf16", "fp16"' in str(caught.value)


@pytest.mark.parametrize(
    ("word", "dtype"),
    [("bf16", torch.float64), ("fp16", torch.float64), ("fp16", torch.float16), ("float32", torch.bfloat16)],
)
def test_parameters_that_do_not_fit(word, dtype):
    """A precision that the network's parameters would silently not have is refused."""
    with pytest.raises(ArgumentError, match=rf"the network's parameters are {dtype}"):
        choose_precision(word, CPU, make_mlp(dtype=dtype), is_transformer=False)


def test_network_without_parameters():
    """A network without parameters may have any precision."""
    assert choose_precision("bf16", CPU, nn.ReLU(), is_transformer=False).name == "bf16"


def test_device_without_autocast():
    """A kind of device on which torch has no such format is named."""
    with pytest.raises(ArgumentError, match="precision='bf16' is not there on the device 'meta'"):
        choose_precision("bf16", torch.device("meta"), make_mlp(), is_transformer=False)


@pytest.mark.parametrize(
    ("word", "capabilities", "has_note"),
    [
        ("bf16", {"avx2": True}, True),
        ("bf16", {"avx512_bf16": True}, False),
        ("bf16", {"amx_bf16": True}, False),
        ("fp16", {"avx512_bf16": True}, True),
        ("fp16", {"amx_fp16": True}, False),
        ("fp16", {}, False),
    ],
)
def test_note_on_a_cpu(word, capabilities, has_note, monkeypatch):
    """On a CPU without the instructions the half-wide formats work, and one line says that they are slower."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)

    note = choose_precision(word, CPU, make_mlp(), is_transformer=True).note

    assert (note is not None) == has_note
    assert note is None or note == f'this CPU has no {word} instructions: precision="float32" is faster here.'


def test_capabilities_that_torch_does_not_tell(monkeypatch):
    """An older torch does not tell what the CPU has; then nothing is said."""
    monkeypatch.delattr(torch.cpu, "get_capabilities")

    assert choose_precision("bf16", CPU, make_mlp(), is_transformer=True).note is None


@pytest.mark.parametrize(
    ("has_bf16", "note"),
    [(True, None), (False, 'cuda has no bf16 instructions: precision="fp16" or "float32" is faster here.')],
)
def test_note_on_a_gpu(has_bf16, note, monkeypatch):
    """A GPU that only emulates bf16 is told apart from one that has it."""
    monkeypatch.setattr(room, "has_bf16", lambda device: has_bf16)

    assert choose_precision("bf16", CUDA, make_mlp(), is_transformer=True).note == note


def test_reads_each_step():
    """Only a scaled loss makes a step wait for the device."""
    assert [kind("cpu").reads_each_step for kind in (BFloat16, Float16)] == [False, True]
    assert not Precision().reads_each_step


def tiny_config() -> BertConfig:
    return BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)


@pytest.mark.gpu
@pytest.mark.parametrize("word", ["bf16", "fp16"])
def test_half_on_a_gpu(word):
    """On a GPU a step of a small BERT in a half-wide format has the gradient of float32 up to its 3 digits."""
    config = BertConfig(vocab_size=99, hidden_size=64, num_hidden_layers=2, num_attention_heads=4)
    network = BertForSequenceClassification(config).eval().cuda()
    wide, half = network, copy.deepcopy(network)
    ids, labels = torch.randint(99, (8, 16), device="cuda"), torch.tensor([0, 1] * 4, device="cuda")

    for one, precision in ((wide, Precision()), (half, choose_precision(word, CUDA, half, is_transformer=True))):
        with precision.forward():
            logits = one(input_ids=ids).logits
        precision.scaled(nn.functional.cross_entropy(full(logits), labels)).backward()
        precision.unscale(torch.optim.SGD(one.parameters(), lr=0.1))
        precision.update()

    expected, found = (
        torch.cat([p.grad.flatten() for p in one.parameters() if p.grad is not None]) for one in (wide, half)
    )
    assert (found - expected).norm() < 0.03 * expected.norm()


@pytest.mark.gpu
def test_auto_on_a_gpu():
    """The word "auto" follows what the GPU at hand has."""
    name = choose_precision("auto", CUDA, make_mlp(), is_transformer=True).name

    assert name == ("bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32")


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")  # torch says so of the mode itself
@pytest.mark.parametrize("precision", [Precision(), BFloat16("cuda")], ids=lambda value: value.name)
def test_no_wait_on_a_gpu(precision):
    """Forward, loss and backward in bf16 wait for the GPU no more than float32 does: not at all."""
    network, x, y = make_mlp().cuda(), torch.zeros(2, 4, device="cuda"), torch.zeros(2, dtype=torch.long, device="cuda")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    torch.cuda.set_sync_debug_mode("error")
    try:
        with precision.forward():
            outputs = network(x)
        precision.scaled(nn.functional.cross_entropy(full(outputs), y)).backward()
        precision.unscale(optimizer)
        precision.update()
    finally:
        torch.cuda.set_sync_debug_mode("default")

    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("precision", [Precision(), BFloat16("cpu"), Float16("cpu")], ids=["float32", "bf16", "fp16"])
def test_run_gives_full_outputs(precision):
    """Losses and metrics see float32, whatever the network computed in, also of outputs in a dict."""

    def network(x, factor):
        return {"logits": (x @ x).to(torch.bfloat16) * factor, "text": "kept"}

    outputs = precision.run(network, (torch.ones(2, 2), 2.0))

    assert outputs["logits"].dtype == torch.float32
    assert outputs["logits"].tolist() == [[4.0, 4.0], [4.0, 4.0]]
    assert outputs["text"] == "kept"
