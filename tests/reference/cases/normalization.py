"""Normalization."""

import math

import torch
import torch.nn.functional as F

from cases.case import case, normal, values


def rms_norm(x, gain=None, eps=1e-5, axes=-1):
    y = x * torch.rsqrt(x.pow(2).mean(axes, keepdim=True) + eps)
    return y if gain is None else y * gain


def normalization():
    x = normal(2, 3, 4)
    for axis in (0, 1, -1):
        case(f"softmax/{axis}", lambda x, a=axis: F.softmax(x, a), x)
        case(f"log_softmax/{axis}", lambda x, a=axis: F.log_softmax(x, a), x)
    extreme = values((1000, 0, -1000), (-1e4, -1e4, -math.inf), (0.5, -math.inf, 1))
    case("softmax/extreme", lambda x: F.softmax(x, -1), extreme)
    large = values((1000, 999, -1000), (-1e4, -1e4, 2))
    case("log_softmax/large", lambda x: F.log_softmax(x, -1), large)
    case("layer_norm/plain", lambda x: F.layer_norm(x, x.shape[-1:]), x)
    case("layer_norm/gain", lambda x, g: F.layer_norm(x, g.shape, g), x, normal(4))
    case("layer_norm", lambda x, g, b: F.layer_norm(x, g.shape, g, b), x, normal(4), normal(4))
    case(
        "layer_norm/eps",
        lambda x, g, b: F.layer_norm(x, g.shape, g, b, 0.1),
        normal(3, 5),
        normal(5),
        normal(5),
    )
    both = (normal(3, 4), normal(3, 4))
    case("layer_norm/two axes", lambda x, g, b: F.layer_norm(x, g.shape, g, b), x, *both)
    case("group_norm", lambda x, g, b: F.group_norm(x, 2, g, b), normal(2, 4, 3), normal(4), normal(4))
    case("group_norm/plain", lambda x: F.group_norm(x, 1), normal(2, 4, 3))
    case("rms_norm/plain", rms_norm, x)
    case("rms_norm", rms_norm, x, normal(4))
    case("rms_norm/two axes", lambda x, g: rms_norm(x, g, axes=(-2, -1)), x, both[0])
    case("rms_norm/eps", lambda x, g: rms_norm(x, g, 0.1), normal(3, 5), normal(5))
