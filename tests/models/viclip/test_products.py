"""The fast products are the plain ones, and step aside where they do not apply."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from internvid.models.viclip import products
from internvid.models.viclip.products import Linear, attend, product


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.float16])
@pytest.mark.parametrize("shape", [(7, 24), (2, 5, 24), (1, 1, 24), (0, 24)])
def test_products_are_the_plain_ones(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    x, weight, bias = (torch.randn(size).to(dtype) for size in (shape, (10, 24), (10,)))
    with torch.no_grad():
        for with_bias in (bias, None):
            found = product(x, weight, with_bias)
            expected = functional.linear(x, weight, with_bias)
            assert found.shape == expected.shape
            torch.testing.assert_close(
                found,
                expected,
                rtol=2e-2 if dtype.itemsize == 2 else 1e-5,
                atol=1e-2 if dtype.itemsize == 2 else 1e-5,
            )
        turned = torch.randn(24, 6).to(dtype).T
        torch.testing.assert_close(
            product(turned, weight), functional.linear(turned, weight), rtol=2e-2, atol=1e-2
        )


@pytest.mark.parametrize("length", [511, 512, 513, 1100])
def test_attention_in_parts_is_attention(length: int) -> None:
    mixed = torch.randn(2, length, 3, 2, 16)
    query, key, value = mixed.permute(2, 0, 3, 1, 4).unbind(0)
    expected = functional.scaled_dot_product_attention(query, key, value)
    with torch.no_grad():
        torch.testing.assert_close(attend(query, key, value), expected, rtol=1e-4, atol=1e-5)
        halves = attend(query.bfloat16(), key.bfloat16(), value.bfloat16())
        torch.testing.assert_close(halves.float(), expected, rtol=0.1, atol=2e-2)
        hidden = attend(query, key, value, causal=True)
    torch.testing.assert_close(hidden[:, :, 0], value[:, :, 0])


def test_gradients_flow() -> None:
    layer = Linear(8, 4)
    layer(torch.randn(3, 8)).sum().backward()
    assert layer.weight.grad is not None
    mixed = torch.randn(3, 1, 2, 600, 8, requires_grad=True)
    attend(*mixed).sum().backward()
    assert mixed.grad is not None


def test_autocast_and_absence_take_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Linear(8, 4)
    x = torch.randn(3, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    monkeypatch.setattr(products, "_ONEDNN", None)
    with torch.no_grad():
        assert torch.equal(layer(x), functional.linear(x, layer.weight, layer.bias))
