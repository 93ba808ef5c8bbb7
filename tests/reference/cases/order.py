"""Order."""

import numpy as np
import torch

from cases.case import case, normal, values_of, Constant


def sorting():
    for descending in (False, True):
        how = ", descending" if descending else ""
        f = lambda x, axis=-1, d=descending: torch.sort(x, dim=axis, stable=True, descending=d)
        for axis in (0, -1):
            case(f"sort/{axis}{how}", lambda x, a=axis, f=f: f(x, a), normal(4, 3))
            case(f"argsort/{axis}{how}", lambda x, a=axis, f=f: f(x, a)[1], normal(4, 3))
        case(f"sort/long{how}", f, normal(2, 150))
        tied = values_of(np.int64, (3, 1, 3, -2, 1, 3), (0, 0, 0, -1, -1, 5))
        case(f"sort/ties{how}", f, tied)
    for largest in (True, False):
        how = "" if largest else ", smallest"
        case(f"topk/2, 0{how}", lambda x, m=largest: x.topk(2, 0, m), normal(4, 3))
        case(f"topk/3 of 70{how}", lambda x, m=largest: x.topk(3, -1, m), normal(2, 70))
    case("median/all", torch.median, normal(3, 4))
    case("median/0", lambda x: torch.median(x, 0), normal(4, 3))
    case("median/-1 kept", lambda x: torch.median(x, -1, keepdim=True), normal(2, 5))
    unique = lambda x: torch.unique(x, return_inverse=True, return_counts=True)
    case("unique/i64", unique, values_of(np.int64, (3, 1, 3), (-2, 1, 3)))
    constants = lambda rng: Constant(np.array([0.5, -1, 0.5, 7, -1, 2]))
    case("unique/f", unique, constants)
