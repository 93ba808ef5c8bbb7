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
import pathlib
import struct

import numpy as np
import torch

from cases.case import CASES, Constant
from cases.elementwise import elementwise
from cases.comparisons import comparisons
from cases.reductions import reductions
from cases.scans import scans
from cases.shape import shapes
from cases.arrangements import arrangements
from cases.diagonals import diagonals
from cases.order import sorting
from cases.indexing import indexing
from cases.scatters import scatters
from cases.products import products
from cases.normalization import normalization
from cases.attention import attentions
from cases.recurrent import recurrent
from cases.losses import losses

FAMILIES = (
    elementwise,
    comparisons,
    reductions,
    scans,
    shapes,
    arrangements,
    diagonals,
    sorting,
    indexing,
    scatters,
    products,
    normalization,
    attentions,
    recurrent,
    losses,
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
    for make in FAMILIES:
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
