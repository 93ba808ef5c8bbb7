#!/usr/bin/python3
"""Writes ops.safetensors: what PyTorch makes of the functions of ops.h.

    /usr/bin/python3 tests/reference/make_ops.py        (Debian 12: python3-torch 1.13)

The tests read the committed file and need no PyTorch. A case NAME is stored as NAME/in.0, in.1, ...
(inputs, f64 where they are not integers or booleans), NAME/f32/out.0, ... (forward values, computed
in f32) and NAME/f32/grad.0, ... (for each input that has one, the gradient of the sum over outputs
of out * cotangent, where the cotangent's elements are cos(0), cos(1), ... in row-major order);
NAME/f64/... the same, computed in f64. rapt's side of each stands in the function's record, in
tests/ops.
"""

import json
import math
import pathlib
import struct
import zlib

import numpy as np
import torch
import torch.nn.functional as F

CASES = {}  # name -> (function of torch tensors, inputs)


class Constant:
    """An input whose gradient is not asked for."""

    def __init__(self, values):
        self.values = np.asarray(values)


def case(name, function, *inputs):
    assert name not in CASES, name
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    CASES[name] = (function, [x(rng) if callable(x) else x for x in inputs])


def normal(*shape):
    return lambda rng: rng.normal(size=shape).round(3)


def positive(*shape):
    return lambda rng: rng.uniform(0.3, 2.5, size=shape).round(3)


def values(*x):
    return lambda rng: np.array(x, dtype=np.float64)


def values_of(dtype, *x):
    return lambda rng: np.array(x, dtype=dtype)


def integers(high, *shape):
    return lambda rng: rng.integers(0, high, size=shape)


def booleans(*shape):
    return lambda rng: rng.random(size=shape) < 0.6


# ---- elementwise


def elementwise():
    pairs = {
        "same": ((2, 3), (2, 3)),
        "row": ((2, 3), (3,)),
        "outer": ((3, 1), (1, 2)),
        "scalar": ((), (2, 2)),
        "middle": ((2, 1, 2), (3, 1)),
    }
    for name, f in {
        "add": torch.add,
        "sub": torch.sub,
        "mul": torch.mul,
        "maximum": torch.maximum,
        "minimum": torch.minimum,
    }.items():
        for how in pairs if name in ("add", "mul") else ("same", "outer"):
            a, b = pairs[how]
            case(f"{name}/{how}", f, normal(*a), normal(*b))
    for how, (a, b) in pairs.items():
        case(f"div/{how}", torch.div, normal(*a), positive(*b))
    whole = {"same": ((2, 3), (2, 3)), "outer": ((3, 1), (1, 2))}
    for name, f in {"remainder": torch.remainder, "fmod": torch.fmod}.items():
        for how, (a, b) in whole.items():
            case(f"{name}/{how}", f, normal(*a), normal(*b))
        case(f"{name}/i64", f, values_of(np.int64, 7, -7, 7, -7, 0), values_of(np.int64, 3, 3, -3, -3, 5))
    for rounding in ("floor", "trunc"):
        f = lambda a, b, rounding=rounding: torch.div(a, b, rounding_mode=rounding)
        case(f"div/{rounding}/same", f, normal(2, 3), normal(2, 3))
        case(f"div/{rounding}/edges", f, values(6, -6, 7, -7, 0.5), values(3, 3, -2, 2, 0.25))
        case(f"div/{rounding}/i64", f, values_of(np.int64, 7, -7, 7, -7, 6), values_of(np.int64, 3, 3, -3, -3, 3))
    case("maximum/ties", torch.maximum, values(1, 2, 3, -1), values(1, 5, 3, -2))
    case("minimum/ties", torch.minimum, values(1, 2, 3, -1), values(1, 5, 3, -2))
    case("neg", torch.neg, normal(2, 3))
    case("add/number", lambda x: x + 1.25, normal(2, 3))
    case("mul/number", lambda x: x * -2.5, normal(2, 3))
    case("div/number", lambda x: x / 3.0, normal(2, 3))
    case("div/of a number", lambda x: 3.0 / x, positive(2, 3))
    case("sub/number", lambda x: x - 1.5, normal(3))
    case("sub/from a number", lambda x: 1.5 - x, normal(3))
    case("clamp", lambda x: x.clamp(-0.5, 1.0), values(-2, -0.5, -0.25, 0, 0.5, 1, 1.5))
    case("clamp/i64", lambda x: x.clamp(min=-2), values_of(np.int64, -5, -2, 0, 7))
    case("where", torch.where, booleans(2, 3), normal(2, 3), normal(3))
    case("where/broadcast condition", torch.where, booleans(2, 1), normal(3), normal(2, 3))
    case("masked_fill", lambda x, m: x.masked_fill(m, -7.5), normal(2, 3), booleans(2, 3))
    case("masked_fill/broadcast", lambda x, m: x.masked_fill(m, 2), normal(2, 3), booleans(3))

    wide = (-30, -9, -4.5, -3, -1.5, -0.6, -0.1, 0, 1e-3, 0.1, 0.6, 1.5, 3, 4.5, 9, 30)
    case("exp", torch.exp, values(-30, -5, -1, -0.1, 0, 0.1, 1, 5, 12))
    for name, f in {"log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt}.items():
        case(name, f, values(1e-3, 0.1, 0.5, 1, 1.5, 7, 100))
    case("pow/2", lambda x: x.pow(2), values(-2, -0.5, 0, 0.5, 3))
    case("pow/3", lambda x: x.pow(3), values(-2, -0.5, 0, 0.5, 3))
    case("pow/1", lambda x: x.pow(1), values(-2, 0, 3))
    case("pow/0", lambda x: x.pow(0), values(-2, 0, 3))
    case("pow/2.5", lambda x: x.pow(2.5), values(0, 0.5, 1, 3))
    case("pow/-1.5", lambda x: x.pow(-1.5), values(0.5, 1, 3))
    case("pow/same", torch.pow, positive(2, 3), normal(2, 3))
    case("pow/outer", torch.pow, positive(3, 1), normal(1, 2))
    case("pow/edges", torch.pow, values(0, 0, 1, 2.5, 3, 7), values(2, 0, 5, 0, -3, 0.5))
    case("pow/of a number", lambda x: torch.pow(2.5, x), normal(2, 3))
    case("pow/i64", torch.pow, values_of(np.int64, 2, -3, 0, 7, 1), values_of(np.int64, 10, 3, 0, 1, 62))
    case("log1p", torch.log1p, values(-0.9, -0.5, -1e-3, -1e-9, 0, 1e-12, 1e-3, 0.5, 7, 1e10))
    case("expm1", torch.expm1, values(-30, -1, -0.1, -1e-3, -1e-9, 0, 1e-12, 1e-3, 0.1, 5, 12))
    halves = (-2.5, -1.7, -1.5, -1.2, -0.5, -0.3, 0.2, 0.5, 0.7, 1.5, 2.5, 3.4)
    for name, f in {
        "floor": torch.floor,
        "ceil": torch.ceil,
        "round": torch.round,
        "trunc": torch.trunc,
    }.items():
        case(name, f, values(*halves))
    case("sign", torch.sign, values(-3, -1e-9, 0, 1e-9, 2))
    case("tan", torch.tan, values(-1.5, -0.7, -1e-3, 0, 1e-6, 0.3, 1.2, 1.55, 3, 20))
    inside = (-0.99, -0.6, -0.5, -0.3, -1e-3, 0, 1e-6, 0.2, 0.5, 0.51, 0.8, 0.999)
    case("asin", torch.asin, values(*inside))
    case("acos", torch.acos, values(*inside))
    case("atan", torch.atan, values(*wide))
    case("sinh", torch.sinh, values(-12, -3, -0.5, -1e-3, 0, 1e-6, 0.02, 1, 7))
    case("cosh", torch.cosh, values(-12, -3, -0.5, 0, 1e-3, 1, 7))
    for name, f in {
        "leaky_relu/0.01": F.leaky_relu,
        "leaky_relu/0.3": lambda x: F.leaky_relu(x, 0.3),
        "elu/1": F.elu,
        "elu/0.7": lambda x: F.elu(x, 0.7),
        "selu": F.selu,
        "hardswish": F.hardswish,
        "mish": F.mish,
        "softplus/1": lambda x: F.softplus(x, threshold=100),
        "softplus/2.5": lambda x: F.softplus(x, beta=2.5, threshold=100),
        "logsigmoid": F.logsigmoid,
        "softsign": F.softsign,
        "abs": torch.abs,
        "sin": torch.sin,
        "cos": torch.cos,
        "erf": torch.erf,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "relu": torch.relu,
        "silu": F.silu,
        "gelu/erf": F.gelu,
        "gelu/tanh": lambda x: F.gelu(x, approximate="tanh"),
    }.items():
        case(name, f, values(*wide))


# ---- comparisons: forward only


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


# ---- reductions


def reductions():
    axes = {
        "0": ([0], False),
        "1 kept": ([1], True),
        "0 and -1": ([0, -1], False),
        "all kept": ([0, 1, 2], True),
    }
    x = normal(2, 3, 4)
    for name, f in {
        "sum": torch.sum,
        "mean": torch.mean,
        "max": torch.amax,
        "min": torch.amin,
        "logsumexp": torch.logsumexp,
    }.items():
        case(f"{name}/all", lambda x, f=f: f(x, [0, 1, 2]), x)
        for how, (axis, keep) in axes.items():
            case(f"{name}/{how}", lambda x, f=f, a=axis, k=keep: f(x, a, keepdim=k), x)
    for name, f in {"var": torch.var, "stddev": torch.std}.items():
        for how, (axis, keep) in axes.items():
            for c in (0, 1):
                case(
                    f"{name}/{how}, correction {c}",
                    lambda x, f=f, a=axis, k=keep, c=c: f(x, a, correction=c, keepdim=k),
                    x,
                )
        case(f"{name}/all", lambda x, f=f: f(x), x)

    def prod(x, axes, keepdim):
        for axis in sorted((a % x.dim() for a in axes), reverse=True):
            x = torch.prod(x, axis, keepdim=keepdim)
        return x

    for how, (axis, keep) in axes.items():
        case(f"prod/{how}", lambda x, a=axis, k=keep: prod(x, a, k), x)
    case("prod/all", torch.prod, x)
    case("prod/zeros", torch.prod, values((2, 0), (3, -1)))
    for p in ("2", "1", "3", "0.5", "-1.5", "0", "inf", "-inf"):
        norm = torch.linalg.vector_norm
        of = lambda x, p=p: norm(x, float(p), [0, -1], keepdim=True)
        # For p = 0 PyTorch's result has no graph: its gradient is 0.
        case(f"norm/{p}", (lambda x, f=of: f(x) + 0 * x.sum()) if p == "0" else of, x)
    case("norm/all", torch.linalg.vector_norm, x)
    ties = values((1, 3, 3), (3, 0, 3), (-1, -1, 0))
    case("max/ties, all", torch.amax, ties)
    case("max/ties, -1", lambda x: torch.amax(x, -1), ties)
    case("min/ties, 0", lambda x: torch.amin(x, 0), ties)
    large = values((1000, 999, 1), (-1000, -1000, -1e4))
    case("logsumexp/large", lambda x: torch.logsumexp(x, -1), large)
    case("logsumexp/-inf", lambda x: torch.logsumexp(x, -1), values((0, -math.inf, 1), (2, 2, 2)))
    for name, arg, both in (
        ("max", torch.argmax, torch.max),
        ("min", torch.argmin, torch.min),
    ):
        case(f"arg{name}/all", arg, normal(3, 4))
        case(f"arg{name}/0", lambda x, f=arg: f(x, 0), normal(3, 4))
        case(f"arg{name}/-1 kept", lambda x, f=arg: f(x, -1, keepdim=True), normal(3, 4))
        case(f"{name}_with_indices/0", lambda x, f=both: f(x, 0)[0], normal(3, 4))
        kept = lambda x, f=both: f(x, -1, keepdim=True)[0]
        case(f"{name}_with_indices/-1 kept", kept, normal(3, 4))
    for name, f in {"any": torch.any, "all": torch.all}.items():
        case(f"{name}/all", f, booleans(3, 4))
        case(f"{name}/0", lambda x, f=f: f(x, 0), booleans(2, 4))
        case(f"{name}/-1 kept", lambda x, f=f: f(x, -1, keepdim=True), booleans(6, 2))
    count = torch.count_nonzero
    case("count_nonzero/all", count, booleans(3, 4))
    case("count_nonzero/0", lambda x: count(x, 0), booleans(3, 4))
    case("count_nonzero/-1 kept", lambda x: count(x, -1)[..., None], booleans(3, 4))
    case("count_nonzero/f", lambda x: count(x, -1), values((0, 1, -2), (0, 0, 1e-9)))


# ---- scans


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


# ---- shape


def shapes():
    x = normal(2, 3, 4)
    case("reshape", lambda x: x.reshape(4, -1), x)
    case("reshape/of a permuted one", lambda x: x.permute(2, 0, 1).reshape(8, 3), x)
    case("permute", lambda x: x.permute(2, 0, 1), x)
    case("transpose", lambda x: x.transpose(-2, -1), x)
    case("transpose/0, 2", lambda x: x.transpose(0, 2), x)
    case("expand", lambda x: x.expand(2, 3, -1, 4), normal(3, 2, 1))
    case("squeeze", lambda x: x.squeeze(1), normal(2, 1, 3))
    case("unsqueeze", lambda x: x.unsqueeze(-1), normal(2, 3))
    case("slice", lambda x: x[:, 1:3], x)
    case("slice/step", lambda x: x[..., -4::2], normal(2, 5))
    case("select", lambda x: x.select(1, -1), x)
    case("split", lambda x: torch.split(x, [1, 0, 2], 1), x)
    case("diagonal", lambda x: x.diagonal(dim1=0, dim2=2), normal(3, 2, 4))
    case("concat", lambda *x: torch.cat(x, 1), normal(2, 1), normal(2, 3), normal(2, 0))
    case("stack", lambda a, b: torch.stack([a, b], -1), normal(2, 3), normal(2, 3))
    for d in (0, -1, 2):
        case(f"tril/{d}", lambda x, d=d: x.tril(d), normal(2, 3, 4))
        case(f"triu/{d}", lambda x, d=d: x.triu(d), normal(2, 4, 3))


# ---- arrangements


def arrangements():
    case("flip/0", lambda x: x.flip(0), normal(3, 2))
    case("flip/0 and -1", lambda x: x.flip(0, -1), normal(3, 2, 4))
    case("roll/1, 0", lambda x: x.roll(1, 0), normal(3, 2))
    case("roll/-5, -1", lambda x: x.roll(-5, -1), normal(2, 4))
    case("repeat/2, 3", lambda x: x.repeat(2, 3), normal(2, 3))
    case("repeat/more axes", lambda x: x.repeat(2, 1, 3), normal(2, 2))
    case("pad", lambda x: F.pad(x, (1, 2), value=-1.5), normal(2, 3))
    case("chunk/3 of 7", lambda x: x.chunk(3, -1), normal(2, 7))
    case("chunk/3 of 4", lambda x: x.chunk(3, -1), normal(2, 4))
    case("unbind", lambda x: x.unbind(1), normal(2, 3))
    case("movedim/0, -1", lambda x: x.movedim(0, -1), normal(2, 3, 4))
    case("movedim/2, 0", lambda x: x.movedim(2, 0), normal(2, 3, 4))


# ---- order


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


# ---- indexing


def indexing():
    case("index_select/0", lambda x, i: x.index_select(0, i), normal(3, 2), integers(3, 5))
    case("index_select/-1", lambda x, i: x.index_select(-1, i), normal(2, 2, 3), integers(3, 4))
    case(
        "index_add",
        lambda x, i, s: x.index_add(1, i, s),
        normal(2, 3),
        integers(3, 4),
        normal(2, 4),
    )
    case("gather/1", lambda x, i: x.gather(1, i), normal(3, 4), integers(4, 2, 5))
    case("gather/0", lambda x, i: x.gather(0, i), normal(3, 4), integers(3, 2, 3))
    case(
        "scatter_add/1",
        lambda x, i, s: x.scatter_add(1, i, s),
        normal(3, 4),
        integers(4, 2, 5),
        normal(2, 5),
    )
    case(
        "scatter_add/0",
        lambda x, i, s: x.scatter_add(0, i, s),
        normal(3, 4),
        integers(3, 4, 2),
        normal(4, 2),
    )
    case("embedding", lambda w, i: F.embedding(i, w), normal(5, 3), integers(5, 2, 4))
    case("one_hot", lambda i: F.one_hot(i, 4), integers(4, 2, 3))


# ---- products

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
    case("linear", F.linear, normal(2, 2, 3), normal(4, 3), normal(4))
    case("linear/no bias", F.linear, normal(2, 3), normal(4, 3))
    for equation, operands in EINSUM.items():
        case(
            f"einsum/{equation}",
            lambda *x, e=equation: torch.einsum(e, *x),
            *[normal(*s) for s in operands],
        )


# ---- normalization


def rms_norm(x, gain=None, eps=1e-5):
    y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)
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
    case("rms_norm/plain", rms_norm, x)
    case("rms_norm", rms_norm, x, normal(4))
    case("rms_norm/eps", lambda x, g: rms_norm(x, g, 0.1), normal(3, 5), normal(5))


# ---- attention: torch 1.13 has no fused one, so it is written out


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


# ---- losses: each case gives the sum and the mean


def losses():
    def cross_entropy(loss, **options):
        def f(x, targets, weight=None):
            c = x.shape[-1]
            args = (x.reshape(-1, c), targets.reshape(-1), weight)
            return loss(*args, reduction="sum", **options), loss(*args, reduction="mean", **options)

        return f

    weights = lambda rng: Constant(rng.uniform(0.3, 2.5, size=4).round(3))
    ignored = lambda rng: np.where(rng.random((2, 3)) < 0.4, -100, rng.integers(0, 4, size=(2, 3)))
    x = normal(2, 3, 4)
    y = integers(4, 2, 3)
    ce = lambda **options: cross_entropy(F.cross_entropy, **options)
    case("cross_entropy", ce(), x, y)
    case("cross_entropy/one row", ce(), normal(1, 4), integers(4, 1))
    case("cross_entropy/large", ce(), values((1000, 0, -1000), (5, 1000, 2)), integers(3, 2))
    shifted = values((100.5, 99, 98), (5, 100, 102))
    case("cross_entropy/shifted", ce(label_smoothing=0.1), shifted, integers(3, 2))
    case("cross_entropy/ignored", ce(), x, ignored)
    case("cross_entropy/ignore 0", ce(ignore_index=0), x, y)
    case("cross_entropy/smoothing", ce(label_smoothing=0.1), x, y)
    case("cross_entropy/weights", ce(), x, y, weights)
    case("cross_entropy/all", ce(label_smoothing=0.2), x, ignored, weights)
    nll = lambda x, *rest: cross_entropy(F.nll_loss)(F.log_softmax(x, -1), *rest)
    case("nll_loss", cross_entropy(F.nll_loss), x, y)
    case("nll_loss/of log_softmax", nll, x, y)
    case("nll_loss/ignored and weights", cross_entropy(F.nll_loss), x, ignored, weights)
    both = lambda loss: lambda *a: (loss(*a, reduction="sum"), loss(*a, reduction="mean"))
    case("mse_loss", both(F.mse_loss), normal(2, 3), normal(2, 3))
    case(
        "binary_cross_entropy_with_logits",
        both(F.binary_cross_entropy_with_logits),
        values(-100, -3, -0.2, 0.1, 2, 100),
        lambda rng: Constant(np.array([0, 1, 0.25, 0, 1, 1.0])),
    )


def run(name):
    """The tensors stored for one case."""
    function, given = CASES[name]
    arrays = [np.array(x.values if isinstance(x, Constant) else x) for x in given]
    tensors = {f"{name}/in.{i}": x for i, x in enumerate(arrays)}
    for suffix, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        inputs = [torch.from_numpy(x) for x in arrays]
        inputs = [t.to(dtype) if t.is_floating_point() else t for t in inputs]
        wanted = [
            i
            for i, t in enumerate(inputs)
            if t.is_floating_point() and not isinstance(given[i], Constant)
        ]
        for i in wanted:
            inputs[i].requires_grad_()
        outputs = function(*inputs)
        outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        tensors.update({f"{name}/{suffix}/out.{i}": t for i, t in enumerate(outputs)})
        if any(t.requires_grad for t in outputs):
            outputs = [t for t in outputs if t.requires_grad]
            cotangents = [torch.arange(t.numel()).to(dtype).cos().reshape(t.shape) for t in outputs]
            grads = torch.autograd.grad(outputs, [inputs[i] for i in wanted], cotangents)
            tensors.update({f"{name}/{suffix}/grad.{i}": g for i, g in zip(wanted, grads)})
    return {
        key: t.detach().contiguous().numpy() if isinstance(t, torch.Tensor) else t
        for key, t in tensors.items()
    }


def write_safetensors(path, tensors):
    names = {"float32": "F32", "float64": "F64", "int64": "I64", "bool": "BOOL"}
    header = {}
    body = b""
    for key, array in tensors.items():
        data = array.tobytes()
        header[key] = {
            "dtype": names[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    print(f"{path}: {len(tensors)} tensors, {path.stat().st_size} bytes")


def main():
    torch.set_num_threads(1)
    for make in (elementwise, comparisons, reductions, scans, shapes, arrangements, sorting, indexing, products):
        make()
    for make in (normalization, attentions, losses):
        make()
    tensors = {}
    for name in CASES:
        tensors.update(run(name))
    for key, array in tensors.items():
        bad = array.dtype.kind == "f" and np.isnan(array).any()
        assert not bad or key in ("isfinite/in.0", "isinf/in.0", "isnan/in.0"), f"{key} has a NaN"
    write_safetensors(pathlib.Path(__file__).with_name("ops.safetensors"), tensors)
    print(len(CASES), "cases")


if __name__ == "__main__":
    main()
