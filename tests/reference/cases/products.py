"""Products."""

import torch
import torch.nn.functional as F

from cases.case import case, normal


EINSUM = {
    "ii": [(3, 3)],
    "ii->i": [(3, 3)],
    "ij->ji": [(2, 3)],
    "ij->": [(2, 3)],
    "ij->j": [(2, 3)],
    "ba": [(2, 3)],
    "i,i": [(3,), (3,)],
    "i,j": [(2,), (3,)],
    "i,j->ij": [(2,), (3,)],
    "ij,j": [(2, 3), (3,)],
    "ij,jk": [(2, 3), (3, 2)],
    "ij,jk->ki": [(2, 3), (3, 2)],
    "ij,ij->": [(2, 3), (2, 3)],
    "ij,ij->ij": [(2, 3), (2, 3)],
    "bij,bjk->bik": [(2, 2, 3), (2, 3, 2)],
    "...ij,...jk->...ik": [(2, 1, 2, 3), (2, 3, 2)],
    "...ii->...i": [(2, 3, 3)],
    "b...,b...->": [(2, 3), (2, 3)],
    "i...->...": [(2, 3)],
    "bn,anm,bm->ba": [(2, 3), (2, 3, 4), (2, 4)],
    "ijk,jil->kl": [(2, 3, 2), (3, 2, 4)],
    "ab,bc,cd,de->ae": [(2, 3), (3, 2), (2, 4), (4, 2)],
    "bqhd,bkhd->bhqk": [(2, 2, 2, 3), (2, 3, 2, 3)],
    "bhqk,bkhd->bqhd": [(2, 2, 2, 3), (2, 3, 2, 2)],
    "ij,jk,k": [(2, 1), (3, 2), (2,)],
}


def products():
    for how, (a, b) in {
        "matrices": ((2, 3), (3, 4)),
        "vector left": ((3,), (3, 2)),
        "vector right": ((2, 3), (3,)),
        "vectors": ((3,), (3,)),
        "batch": ((2, 2, 3), (2, 3, 2)),
        "batch broadcast": ((2, 1, 2, 3), (3, 3, 2)),
        "batch by matrix": ((2, 2, 3), (3, 2)),
        "matrix by batch": ((2, 3), (2, 3, 2)),
        "batch by vector": ((2, 2, 3), (3,)),
        "vector by batch": ((3,), (2, 3, 2)),
        "rows of one": ((1, 3), (3, 1)),
    }.items():
        case(f"matmul/{how}", torch.matmul, normal(*a), normal(*b))
    whole = lambda *shape: lambda rng: rng.integers(-9, 10, size=shape)
    case("matmul/i64", torch.matmul, whole(5, 3), whole(3, 4))
    case("matmul/i64, batch broadcast", torch.matmul, whole(2, 1, 2, 3), whole(3, 3, 2))
    case("outer", torch.outer, normal(3), normal(4))
    case("linear", F.linear, normal(2, 2, 3), normal(4, 3), normal(4))
    case("linear/no bias", F.linear, normal(2, 3), normal(4, 3))
    for equation, operands in EINSUM.items():
        case(
            f"einsum/{equation}",
            lambda *x, e=equation: torch.einsum(e, *x),
            *[normal(*s) for s in operands],
        )
