"""Attention: torch 1.13 has no fused one, so it is written out."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from cases.case import case, normal, booleans, Constant


def attention_weights(q, k, mask=None, causal=False, scale=None):
    scores = q @ k.transpose(-2, -1) * (scale or 1 / math.sqrt(q.shape[-1]))
    if mask is not None and mask.dtype != torch.bool:
        scores = scores + mask
    allowed = torch.ones_like(scores, dtype=torch.bool)
    if mask is not None and mask.dtype == torch.bool:
        allowed = allowed & mask
    if causal:
        allowed = allowed.tril(k.shape[-2] - q.shape[-2])
    weights = F.softmax(scores.masked_fill(~allowed, -math.inf), -1)
    # A row that may attend to nothing is 0, not NaN; its gradient is 0 too.
    return torch.where(allowed.any(-1, keepdim=True), weights, torch.zeros_like(weights))


def attention(q, k, v, mask=None, **options):
    return attention_weights(q, k, mask, **options) @ v


def attentions():
    qkv = (normal(2, 2, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 3))
    some = booleans(2, 1, 3, 5)
    padding = np.arange(5) < np.array([3, 5]).reshape(2, 1, 1, 1)
    case("attention/plain", attention, *qkv)
    case("attention/mask", attention, *qkv, some)
    case("attention/padding", attention, *qkv, padding)
    case("attention/causal", lambda q, k, v: attention(q, k, v, causal=True), *qkv)
    case(
        "attention/causal and padding",
        lambda q, k, v, m: attention(q, k, v, m, causal=True),
        *qkv,
        padding,
    )
    case(
        "attention/added mask",
        attention,
        *qkv,
        lambda rng: Constant(rng.normal(size=(2, 3, 5)).round(3)),
    )
    case("attention/scale", lambda q, k, v: attention(q, k, v, scale=0.3), *qkv)
    case(
        "attention/broadcast heads",
        attention,
        normal(2, 2, 3, 4),
        normal(2, 1, 3, 4),
        normal(1, 3, 2),
    )
    case("attention/one by one", attention, normal(1, 2), normal(1, 2), normal(1, 2))
    case("attention_weights/plain", attention_weights, *qkv[:2])
    case(
        "attention_weights/causal and mask",
        lambda q, k, m: attention_weights(q, k, m, causal=True),
        *qkv[:2],
        some,
    )
