"""Indexing."""

import torch
import torch.nn.functional as F

from cases.case import case, normal, integers, booleans, Constant


def indexing():
    case("index_select/0", lambda x, i: x.index_select(0, i), normal(3, 2), integers(3, 5))
    case("index_select/-1", lambda x, i: x.index_select(-1, i), normal(2, 2, 3), integers(3, 4))
    case("gather/1", lambda x, i: x.gather(1, i), normal(3, 4), integers(4, 2, 5))
    case("gather/0", lambda x, i: x.gather(0, i), normal(3, 4), integers(3, 2, 3))
    along = torch.take_along_dim
    case("take_along_dim", lambda x, i: along(x, i, 1), normal(3, 4), integers(4, 1, 5))
    case("take_along_dim/x stretched", lambda x, i: along(x, i, 0), normal(3, 1), integers(3, 2, 4))
    get = lambda x, *i: x[i]
    case("index_get", get, normal(3, 4, 2), integers(3, 2, 2), integers(4, 2))
    case("nonzero", torch.nonzero, lambda rng: Constant([[0, 1.5, -2], [0, 0, 1e-9]]))
    case("nonzero/b8", torch.nonzero, booleans(2, 2, 3))
    case("masked_select", torch.masked_select, normal(2, 3), booleans(2, 3))
    case("masked_select/both stretched", torch.masked_select, normal(2, 1, 3), booleans(4, 1))
    case("embedding", lambda w, i: F.embedding(i, w), normal(5, 3), integers(5, 2, 4))
    case("one_hot", lambda i: F.one_hot(i, 4), integers(4, 2, 3))
