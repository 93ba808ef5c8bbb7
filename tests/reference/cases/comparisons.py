"""Comparisons: forward only."""

import math

import torch

from cases.case import case, values, booleans


def comparisons():
    a = values(1, 2, 3, -1)
    b = values(1, 5, -3, -1)
    for name, f in {
        "equal": torch.eq,
        "not_equal": torch.ne,
        "less": torch.lt,
        "less_equal": torch.le,
        "greater": torch.gt,
        "greater_equal": torch.ge,
    }.items():
        case(name, f, a, b)
    case("logical_and", torch.logical_and, booleans(3, 1), booleans(4))
    case("logical_or", torch.logical_or, booleans(3, 1), booleans(4))
    case("logical_not", torch.logical_not, booleans(5))
    for name, f in {
        "isfinite": torch.isfinite,
        "isinf": torch.isinf,
        "isnan": torch.isnan,
    }.items():
        case(name, f, values(0, math.inf, -math.inf, math.nan, 1e30))
