"""Reductions."""

import math

import torch

from cases.case import case, normal, values, booleans


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
