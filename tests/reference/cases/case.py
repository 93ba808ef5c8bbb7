"""How a case is written down: its function of torch tensors, and its inputs."""

import zlib

import numpy as np

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
