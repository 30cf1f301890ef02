import pytest
import torch

from siamese_lib.errors import InputError, NotFinite
from siamese_lib.model import EmbeddingNet, embed, softsign, to_float


def test_table_1_sizes_and_parameters():
    net, sides = EmbeddingNet(), []
    for layer in net.children():
        layer.register_forward_hook(lambda _, __, out: sides.append(out.shape[-1]))
    assert net(torch.rand(3, 1, 37, 37)).shape == (3, 25)
    assert sides == [35, 18, 18, 9, 9, 9, 25]
    assert sum(p.numel() for p in net.parameters()) == 77_561


def test_forward_equals_the_layers_written_out():
    net = EmbeddingNet()
    x = y = torch.rand(2, 1, 37, 37)
    for n, (stride, padding) in enumerate([(1, 0), (2, 2), (1, 1), (2, 2), (1, 1), (1, 1)], 1):
        layer = getattr(net, f"conv{n}")
        y = torch.conv2d(y, layer.weight, layer.bias, stride, padding)
        y = y / (1 + y.abs())  # Eq. 7
    torch.testing.assert_close(net(x), y.reshape(2, -1) @ net.linear.weight.T + net.linear.bias)


def test_initialisation_is_xavier_uniform_with_zero_bias():
    net = EmbeddingNet()
    bound = (6 / (16 * 25 + 16 * 25)) ** 0.5
    assert net.conv2.weight.abs().max() <= bound and net.conv2.weight.abs().max() > 0.98 * bound
    assert all((layer.bias == 0).all() for layer in net.children())


def test_other_sizes_are_refused():
    with pytest.raises(InputError, match=r"\(2, 1, 36, 37\)"):
        EmbeddingNet()(torch.rand(2, 1, 36, 37))


def test_to_float():
    x = to_float(torch.tensor([[[0, 255], [51, 102]]], dtype=torch.uint8))
    torch.testing.assert_close(x, torch.tensor([[[[0.0, 1.0], [0.2, 0.4]]]]))


def test_softsign_is_equation_7_and_its_derivative():
    x = torch.linspace(-50, 50, 2001, dtype=torch.float64, requires_grad=True)
    y = softsign(x)
    torch.testing.assert_close(y, torch.nn.functional.softsign(x))
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], 1 / (1 + x.detach().abs()) ** 2)
    assert torch.autograd.gradcheck(softsign, torch.randn(20, dtype=torch.float64, requires_grad=True))


def test_softsign_keeps_only_its_output():
    kept = []

    def keep(tensor):
        kept.append(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = softsign(torch.randn(8, requires_grad=True))
    assert kept == [y.data_ptr()]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_embeddings_that_are_not_finite_are_an_error(value):
    """In every evaluation: all of them embed with this function."""
    images = torch.zeros(5, 37, 37, dtype=torch.uint8)
    images[3] = 255

    def forward(x):
        return torch.where(x.flatten(1)[:, :2] > 0.5, value, 0.0)

    with pytest.raises(NotFinite, match="1 of 5 embeddings are not finite: the network has diverged"):
        embed(forward, images, 2)
