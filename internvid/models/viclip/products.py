"""Matrix products and attention, the fastest way that a device has for inference.

On a CPU torch gives float32 products to MKL, which takes half-width instructions on some makers'
chips, and its attention kernel converts bfloat16 to float32. oneDNN, which comes with torch, does
neither; measured with `benchmarks.model`. Anything but plain inference goes torch's own way.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

# oneDNN's product. It has no gradient, and builds of torch without oneDNN lack it.
_ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
    _ONEDNN = None
_ONEDNN_DTYPES = (torch.float32, torch.bfloat16)
# Attention takes so many queries of one head at a time: their scores stay in the cache.
_QUERIES = 512
# With more threads than this, torch's kernel is faster: it shares heads among them.
_FEW_THREADS = 8


class Linear(nn.Linear):
    """`nn.Linear` by the fastest product."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """[..., in] -> [..., out]."""
        return product(input, self.weight, self.bias)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x @ weight.T + bias`.

    Args:
        x: [..., in].
        weight: [out, in].
        bias: [out], or none.
    """
    if _onednn_may(x) and x.dtype == weight.dtype and weight.is_contiguous():
        return _onednn_product(x, weight, bias)
    return functional.linear(x, weight, bias)


def attend(query: Tensor, key: Tensor, value: Tensor, *, causal: bool = False) -> Tensor:
    """Softmax attention of every query to all keys, or to those not after it.

    Args:
        query, key, value: [B, heads, L, channels].
        causal: whether later keys are hidden.

    Returns:
        [B, heads, L, channels].
    """
    long = query.shape[2] >= _QUERIES
    if long and not causal and _onednn_may(query) and torch.get_num_threads() <= _FEW_THREADS:
        return _attend_by_parts(query, key, value)
    return functional.scaled_dot_product_attention(query, key, value, is_causal=causal)


def _onednn_may(x: Tensor) -> bool:
    return (
        _ONEDNN is not None
        and x.device.type == "cpu"
        and x.dtype in _ONEDNN_DTYPES
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
    )


def _onednn_product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return _ONEDNN(x.contiguous(), weight, bias, "none", [], "")  # type: ignore[misc, no-any-return]


def _attend_by_parts(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention with both products by oneDNN, a part of one head's queries at a time."""
    batch, heads, length, channels = query.shape
    query = query * (1 / math.sqrt(channels))
    key = key.contiguous()
    turned = value.transpose(2, 3).contiguous()
    # Laid out [B, L, heads, channels], so that the caller can join heads without a copy.
    result = query.new_empty(batch, length, heads, channels)
    rows = math.ceil(length / math.ceil(length / _QUERIES))
    for clip in range(batch):
        for head in range(heads):
            for start in range(0, length, rows):
                part = query[clip, head, start : start + rows]
                weights = _onednn_product(part, key[clip, head]).softmax(-1)
                seen = _onednn_product(weights, turned[clip, head])
                result[clip, start : start + rows, head] = seen
    return result.transpose(1, 2)
