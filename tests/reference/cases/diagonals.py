"""Diagonals and triangles."""

import torch

from cases.case import case, normal


def diagonals():
    case("diagonal", lambda x: x.diagonal(dim1=0, dim2=2), normal(3, 2, 4))
    case("diag_embed", torch.diag_embed, normal(2, 3))
    case("diag_embed/0, 2", lambda x: torch.diag_embed(x, dim1=0, dim2=2), normal(2, 3))
    case("trace", torch.trace, normal(3, 4))
    for d in (0, -1, 2):
        case(f"tril/{d}", lambda x, d=d: x.tril(d), normal(2, 3, 4))
        case(f"triu/{d}", lambda x, d=d: x.triu(d), normal(2, 4, 3))
