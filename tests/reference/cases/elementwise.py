"""Elementwise."""

import numpy as np
import torch
import torch.nn.functional as F

from cases.case import case, normal, positive, values, values_of, booleans


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
