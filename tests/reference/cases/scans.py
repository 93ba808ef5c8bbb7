"""Scans."""

import numpy as np
import torch

from cases.case import case, normal, values, values_of


def scans():
    for name, f in {
        "cumsum": torch.cumsum,
        "cumprod": torch.cumprod,
        "logcumsumexp": torch.logcumsumexp,
    }.items():
        case(f"{name}/0", lambda x, f=f: f(x, 0), normal(4, 3))
        case(f"{name}/-1", lambda x, f=f: f(x, -1), normal(2, 3, 5))
        case(f"{name}/long", lambda x, f=f: f(x, -1), normal(2, 70))
        if name != "logcumsumexp":
            case(f"{name}/i64", lambda x, f=f: f(x, 0), values_of(np.int64, 3, -2, 5, 0, 7))
    case("cumprod/zeros", lambda x: torch.cumprod(x, -1), values(2, 0, 3, -1.5, 0, 4))
    case("logcumsumexp/large", lambda x: torch.logcumsumexp(x, -1), values(-2000, -3, 1000, 1001))
