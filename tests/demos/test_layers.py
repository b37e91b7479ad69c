"""Les couches des démonstrations, égales à celles de PyTorch."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labkit.models.stylegan3 import filters
from tests.demos.conftest import visit
from tests.demos.parity import difference, half, weight_file

LAYER = 1e-4  # écart relatif permis à une couche

# Une couche de la page, sur des poids et une entrée venus de PyTorch.
APPLY = """([file, x, call]) => {
  const tensors = weights.unpack(file);
  const input = x.channels ? { ...x, data: Float32Array.from(x.data) } : Float32Array.from(x.data);
  const apply = new Function("layer", "x", `return ${call}`);
  const found = apply(weights.parameters(tensors, "layer"), input);
  return { ...found, data: [...(found.data || found)] };
}"""


@pytest.fixture(scope="module")
def page(browser, weights):
    with visit(browser, "latent/index.html") as page:
        yield page


@pytest.fixture(scope="module")
def apply(page):
    def apply(module, x, call):
        tensors = {f"layer.{name}": value for name, value in module.state_dict().items()}
        tensors.pop("layer.num_batches_tracked", None)
        given = {"data": x.flatten().tolist()}
        if x.dim() == 4:
            given |= dict(zip(("channels", "height", "width"), x.shape[1:], strict=True))
        return page.evaluate(APPLY, [weight_file("essai", tensors), given, call])

    return apply


def maps(*shape):
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))


def test_dense_layer(apply):
    torch.manual_seed(0)
    layer = half(nn.Linear(37, 23))
    x = maps(37)
    assert difference(apply(layer, x, "layers.linear(x, layer)")["data"], layer(x)) < LAYER
    rows = torch.randn(6, 37)
    assert difference(apply(layer, rows, "layers.linear(x, layer, 6)")["data"], layer(rows)) < LAYER


def test_dense_layer_without_bias(apply):
    torch.manual_seed(0)
    layer, x = half(nn.Linear(9, 5, bias=False)), maps(9)
    assert difference(apply(layer, x, "layers.linear(x, layer)")["data"], layer(x)) < LAYER


@pytest.mark.parametrize(("channels", "kernel", "options", "size"), [
    ((1, 16), 3, {"padding": 1}, (28, 28)),
    ((6, 8), 3, {"padding": 1}, (7, 7)),
    ((5, 7), 4, {"stride": 2, "padding": 1}, (14, 12)),
    ((3, 1), 3, {}, (5, 6)),
    ((32, 7), 3, {"padding": 1}, (9, 14)),  # par tuiles, dès 32 canaux
    ((40, 33), 3, {"padding": 2}, (6, 5)),
    ((33, 4), 3, {}, (8, 11)),
    ((32, 4), 5, {"padding": 2}, (8, 8)),
    ((32, 4), 3, {"stride": 2, "padding": 1}, (9, 9)),
])  # fmt: skip
def test_convolution(apply, channels, kernel, options, size):
    torch.manual_seed(0)
    layer, x = half(nn.Conv2d(*channels, kernel, **options)), maps(channels[0], *size)
    found = apply(layer, x, f"layers.conv2d(x, layer, {options})")
    expected = layer(x)
    assert [found["channels"], found["height"], found["width"]] == list(expected.shape[1:])
    assert difference(found["data"], expected) < LAYER


def test_a_negative_padding_leaves_the_edge(apply):
    torch.manual_seed(0)
    layer, x = half(nn.Conv2d(32, 3, 3, bias=False)), maps(32, 12, 12)
    found = apply(layer, x, "layers.conv2d(x, layer, { padding: -2 })")
    assert [found["height"], found["width"]] == [6, 6]
    assert difference(found["data"], layer(x[..., 2:-2, 2:-2])) < LAYER


@pytest.mark.parametrize(("up", "down"), [(2, 2), (4, 2), (2, 4)])
def test_a_function_between_two_rates(apply, up, down):
    """Les bandes du passe-bas, égales à celles de labkit, et une fonction entre elles."""
    size_in, size_out = 10, 9
    kernels = [filters.lowpass(6 * m, 2.0, 4.0, 8 * m) for m in (up, down)]
    how = filters.Resampling.fit(size_in, size_out, up, down, 6 * up, 6 * down)
    matrices = [
        filters.up_matrix(kernels[0], how, size_in),
        filters.down_matrix(kernels[1], how, size_out),
    ]
    bands = [
        f"layers.band({rows}, {columns}, {width}, (i, j) => {matrix.tolist()}[i][j])"
        for matrix, width in zip(matrices, (6, 6 * down), strict=True)
        for rows, columns in [matrix.shape]
    ]
    x = maps(3, size_in, size_in)
    found = apply(nn.Identity(), x, f"layers.resample(x, {', '.join(bands)}, layers.relu)")
    assert [found["channels"], found["height"], found["width"]] == [3, size_out, size_out]
    finer = F.relu(filters.upsample(x, kernels[0], how))
    assert difference(found["data"], filters.downsample(finer, kernels[1], how, size_out)) < LAYER


@pytest.mark.parametrize(("channels", "kernel", "options", "size", "asked"), [
    ((6, 5), 4, {"stride": 2, "padding": 1}, (7, 7), None),
    ((8, 4), 4, {"stride": 2, "padding": 1}, (3, 3), (7, 7)),
    ((4, 3), 3, {}, (5, 5), None),
    ((3, 2), 3, {"stride": 2, "padding": 1}, (5, 4), (10, 8)),
])  # fmt: skip
def test_transposed_convolution(apply, channels, kernel, options, size, asked):
    torch.manual_seed(0)
    layer, x = half(nn.ConvTranspose2d(*channels, kernel, **options)), maps(channels[0], *size)
    given = options | ({"size": list(asked)} if asked else {})
    found = apply(layer, x, f"layers.convTransposed2d(x, layer, {given})")
    expected = layer(x, output_size=asked) if asked else layer(x)
    assert [found["channels"], found["height"], found["width"]] == list(expected.shape[1:])
    assert difference(found["data"], expected) < LAYER


def test_batch_normalisation_uses_what_training_has_kept(apply):
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(6)
    for value in (layer.weight, layer.bias, layer.running_mean):
        nn.init.normal_(value)
    nn.init.uniform_(layer.running_var, 0.2, 3)
    layer, x = half(layer), maps(6, 5, 4)
    assert difference(apply(layer, x, "layers.batchNorm(x, layer)")["data"], layer(x)) < LAYER


@pytest.mark.parametrize("size", [(6, 8), (7, 7)])
def test_max_pooling(apply, size):
    x = maps(3, *size)
    found = apply(nn.Identity(), x, "layers.maxPool(x)")
    assert difference(found["data"], F.max_pool2d(x, 2)) < LAYER


def test_embedding_and_concatenation(apply):
    torch.manual_seed(0)
    table = half(nn.Embedding(11, 8))
    found = apply(table, maps(1), "layers.embedding(7, layer)")
    assert difference(found["data"], table.weight[7]) < LAYER
    x = maps(3, 4, 5)
    found = apply(nn.Identity(), x, "layers.concatenate(x, layers.maxPool(x))")
    joined = torch.cat([x.flatten(), F.max_pool2d(x, 2).flatten()])
    assert difference(found["data"], joined) < LAYER


@pytest.mark.parametrize(("name", "function"), [
    ("relu", F.relu), ("sigmoid", torch.sigmoid), ("silu", F.silu),
])  # fmt: skip
def test_activations(apply, name, function):
    x = 5 * maps(300)
    found = apply(nn.Identity(), x, f"layers.{name}(x)")
    assert difference(found["data"], function(x)) < LAYER


def test_leaky_relu(apply):
    x = maps(300)
    found = apply(nn.Identity(), x, "layers.leakyRelu(x, 0.1)")
    assert difference(found["data"], F.leaky_relu(x, 0.1)) < LAYER


def test_softmax(apply):
    x = 20 * maps(300)
    x[0, 7] = -torch.inf
    found = apply(nn.Identity(), x, "layers.softmax(x)")
    assert difference(found["data"], x.softmax(dim=1)) < LAYER


def test_half_precision_numbers_are_read_bit_for_bit(page):
    bits = torch.arange(65536, dtype=torch.int32)
    values = bits.to(torch.int16).view(torch.float16)  # les 65 536 nombres d'un float16
    finite = values[values.isfinite()]
    read = "(file) => [...weights.unpack(file).x.data]"
    found = page.evaluate(read, weight_file("essai", {"x": finite}))
    assert torch.equal(torch.tensor(found, dtype=torch.float32), finite.float())
    written = {"x": torch.tensor([float("inf"), float("-inf"), float("nan")])}
    found = page.evaluate("(file) => [...weights.unpack(file).x.data].map(String)",
                          weight_file("essai", written))  # fmt: skip
    assert found == ["Infinity", "-Infinity", "NaN"]
