"""Shape."""

import torch

from cases.case import case, normal


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
    case("slice/down", lambda x: x[:, [3, 2, 1]], normal(2, 5))
    case("slice/all down, by 2", lambda x: x[:, [4, 2, 0]], normal(2, 5))
    case("select", lambda x: x.select(1, -1), x)
    case("split", lambda x: torch.split(x, [1, 0, 2], 1), x)
    case("concat", lambda *x: torch.cat(x, 1), normal(2, 1), normal(2, 3), normal(2, 0))
    case("stack", lambda a, b: torch.stack([a, b], -1), normal(2, 3), normal(2, 3))
