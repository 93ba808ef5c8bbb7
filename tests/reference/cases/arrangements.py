"""Arrangements."""

import torch.nn.functional as F

from cases.case import case, normal


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
