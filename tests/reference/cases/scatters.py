"""Scatters. Where PyTorch does not say which of several writes counts, each place has one."""

import numpy as np

from cases.case import case, normal, integers, values_of


def scatters():
    case(
        "index_add",
        lambda x, i, s: x.index_add(1, i, s),
        normal(2, 3),
        integers(3, 4),
        normal(2, 4),
    )
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
    rows = values_of(np.int64, (2, 0, 1, 3), (1, 3, 0, 2))
    columns = values_of(np.int64, (2, 0), (1, 2), (0, 1))
    put = lambda axis: lambda x, i, s: x.scatter(axis, i, s)
    case("scatter/1", put(1), normal(3, 5), rows, normal(2, 4))
    case("scatter/0", put(0), normal(3, 3), columns, normal(3, 2))
    case("scatter/number", lambda x, i: x.scatter(1, i, -1.5), normal(3, 4), integers(4, 2, 5))
    for name, theirs in {"sum": "sum", "prod": "prod", "max": "amax", "min": "amin"}.items():
        f = lambda axis, how=theirs: lambda x, i, s: x.scatter_reduce(axis, i, s, how)
        case(f"scatter_reduce/{name}/1", f(1), normal(3, 4), integers(4, 2, 5), normal(2, 5))
        case(f"scatter_reduce/{name}/0", f(0), normal(3, 4), integers(3, 4, 2), normal(4, 2))
    once = values_of(np.int64, (2, 0, 1))
    case(
        "index_put",
        lambda x, v, i, j: x.index_put((i, j), v),
        normal(3, 4, 2),
        normal(3, 2),
        once,
        integers(4, 3),
    )
    case(
        "index_put/added",
        lambda x, v, i, j: x.index_put((i, j), v, accumulate=True),
        normal(3, 4, 2),
        normal(3, 1),
        integers(3, 2, 3),
        integers(4, 3),
    )
