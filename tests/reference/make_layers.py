#!/usr/bin/python3
"""Writes layers.safetensors: what PyTorch makes of rapt's layers.

    /usr/bin/python3 tests/reference/make_layers.py        (Debian 12: python3-torch 1.13)

The tests read the committed files and need no PyTorch. Everything is computed in f64, from inputs
and parameters that f32 holds exactly. A case NAME is stored as

    NAME/in.X       an input
    NAME/param.P    a parameter, under the name that rapt gives it
    NAME/out.Y      an output
    NAME/grad.X, NAME/grad.P
                    the gradient of sum(out.y * cotangent), where the cotangent's elements are
                    cos(0), cos(1), ... in row-major order

A mask is stored as rapt means it, true = may attend; PyTorch means the opposite.
"""

import json
import pathlib
import struct

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
OUT = {}


def normal(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).float().double()


def randomize(module):
    """Parameters with nothing special about them: no zeros in biases, no ones in gains."""
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(normal(*p.shape, scale=0.5))
    return module


def cotangent(y):
    return torch.cos(torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape)


def store(case, inputs, parameters, outputs, loss_of="y"):
    """Differentiates outputs[loss_of] and notes everything. parameters: rapt's name -> leaf, or
    (leaf, rows) for a part of one."""
    y = outputs[loss_of]
    (y * cotangent(y)).sum().backward()
    for name, x in inputs.items():
        OUT[f"{case}/in.{name}"] = x
        if x.requires_grad:
            OUT[f"{case}/grad.{name}"] = x.grad
    for name, p in parameters.items():
        leaf, rows = p if isinstance(p, tuple) else (p, slice(None))
        OUT[f"{case}/param.{name}"] = leaf[rows]
        if leaf.grad is not None:
            OUT[f"{case}/grad.{name}"] = leaf.grad[rows]
    for name, out in outputs.items():
        OUT[f"{case}/out.{name}"] = out


def leaf(*shape):
    return normal(*shape).requires_grad_()


def fresh(x):
    return x.detach().clone().requires_grad_()


# ---- attention


def projections(attention, width):
    """The maps of an nn.MultiheadAttention under rapt's names."""
    parts = {}
    for i, name in enumerate(["query", "key", "value"]):
        rows = slice(i * width, (i + 1) * width)
        if attention.in_proj_weight is not None:
            parts[f"{name}.weight"] = (attention.in_proj_weight, rows)
        else:
            parts[f"{name}.weight"] = getattr(attention, f"{name[0]}_proj_weight")
        parts[f"{name}.bias"] = (attention.in_proj_bias, rows)
    parts["output.weight"] = attention.out_proj.weight
    parts["output.bias"] = attention.out_proj.bias
    return parts


def forbidden_later(queries, keys):
    return torch.triu(torch.ones(queries, keys, dtype=torch.bool), diagonal=1)


def attention():
    width, heads, length = 12, 3, 5
    layer = randomize(nn.MultiheadAttention(width, heads, batch_first=True))
    x0 = normal(2, length, width)
    lengths = torch.tensor([5, 3])
    padded = torch.arange(length)[None, :] >= lengths[:, None]
    for case, causal, padding in [
        ("plain", False, False),
        ("causal", True, False),
        ("padding", False, True),
        ("both", True, True),
    ]:
        x = fresh(x0)
        layer.zero_grad(set_to_none=True)
        y, weights = layer(
            x,
            x,
            x,
            key_padding_mask=padded if padding else None,
            attn_mask=forbidden_later(length, length) if causal else None,
            average_attn_weights=False,
        )
        store(
            f"attention.{case}",
            {"x": x, "lengths": lengths},
            projections(layer, width),
            {"y": y, "weights": weights},
        )

    layer = randomize(nn.MultiheadAttention(width, heads, kdim=8, vdim=8, batch_first=True))
    x, memory = leaf(2, 4, width), leaf(2, 6, 8)
    allowed = torch.rand(2, 1, 4, 6) < 0.6
    allowed[..., 0] = True
    y, weights = layer(
        x,
        memory,
        memory,
        attn_mask=~allowed.expand(2, heads, 4, 6).reshape(2 * heads, 4, 6),
        average_attn_weights=False,
    )
    store(
        "attention.cross",
        {"x": x, "memory": memory, "mask": allowed},
        projections(layer, width),
        {"y": y, "weights": weights},
    )


# ---- the layer of the document that rapt grew from, as it stands there


class SelfAttention(nn.Module):
    def __init__(self, embed_size, heads):
        super(SelfAttention, self).__init__()
        self.embed_size = embed_size
        self.heads = heads
        self.head_dim = embed_size // heads

        assert (
            self.head_dim * heads == embed_size
        ), "Embedding size needs to be divisible by heads"

        self.values = nn.Linear(self.head_dim, self.head_dim, bias=False)
        self.keys = nn.Linear(self.head_dim, self.head_dim, bias=False)
        self.queries = nn.Linear(self.head_dim, self.head_dim, bias=False)
        self.fc_out = nn.Linear(heads * self.head_dim, embed_size)

    def forward(self, values, keys, query, mask):
        N = query.shape[0]
        value_len, key_len, query_len = values.shape[1], keys.shape[1], query.shape[1]

        values = values.reshape(N, value_len, self.heads, self.head_dim)
        keys = keys.reshape(N, key_len, self.heads, self.head_dim)
        queries = query.reshape(N, query_len, self.heads, self.head_dim)

        energy = torch.einsum("nqhd,nkhd->nhqk", [queries, keys])

        if mask is not None:
            energy = energy.masked_fill(mask == 0, float("-1e20"))

        attention = torch.softmax(energy / (self.embed_size ** (1 / 2)), dim=3)
        out = torch.einsum("nhql,nlhd->nqhd", [attention, values]).reshape(
            N, query_len, self.heads * self.head_dim
        )

        out = self.fc_out(out)
        return out


class MappedSelfAttention(SelfAttention):
    """As the document's text has it: the inputs go through the three maps first."""

    def forward(self, values, keys, query, mask):
        def per_head(x, linear):
            split = x.reshape(x.shape[0], x.shape[1], self.heads, self.head_dim)
            return linear(split).reshape(x.shape)

        return super().forward(
            per_head(values, self.values),
            per_head(keys, self.keys),
            per_head(query, self.queries),
            mask,
        )


def self_attention():
    for kind, cls in [("mapped", MappedSelfAttention), ("letter", SelfAttention)]:
        for masked in [False, True]:
            layer = randomize(cls(8, 2))
            inputs = {"values": leaf(3, 5, 8), "keys": leaf(3, 5, 8), "query": leaf(3, 4, 8)}
            mask = torch.rand(3, 1, 4, 5) < 0.5
            mask[0, 0, 2] = False  # a query that may attend to nothing
            y = layer(**inputs, mask=mask if masked else None)
            if masked:
                inputs["mask"] = mask
            name = f"self_attention.{kind}.{'masked' if masked else 'plain'}"
            store(name, inputs, dict(layer.named_parameters()), {"y": y})


# ---- blocks and a whole model


def block_names(layer, width, prefix=""):
    parts = {f"attention.{k}": v for k, v in projections(layer.self_attn, width).items()}
    for theirs, ours in {
        "norm1": "norm1",
        "norm2": "norm2",
        "linear1": "feed_forward.up",
        "linear2": "feed_forward.down",
    }.items():
        for p in ["weight", "bias"]:
            parts[f"{ours}.{p}"] = getattr(getattr(layer, theirs), p)
    return {prefix + k: v for k, v in parts.items()}


def blocks():
    width, heads, hidden, length = 12, 3, 20, 5
    for name, pre_norm, activation in [("pre", True, F.gelu), ("post", False, F.relu)]:
        layer = randomize(
            nn.TransformerEncoderLayer(
                width,
                heads,
                hidden,
                dropout=0.0,
                activation=activation,
                batch_first=True,
                norm_first=pre_norm,
            )
        )
        lengths = torch.tensor([5, 2])
        padded = torch.arange(length)[None, :] >= lengths[:, None]
        x = leaf(2, length, width)
        y = layer(
            x, src_mask=forbidden_later(length, length), src_key_padding_mask=padded
        )
        store(
            f"block.{name}", {"x": x, "lengths": lengths}, block_names(layer, width), {"y": y}
        )


def model():
    vocabulary, context, width, heads, layers = 11, 7, 8, 2, 2
    tokens = nn.Embedding(vocabulary, width)
    positions = nn.Embedding(context, width)
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(
            width,
            heads,
            4 * width,
            dropout=0.0,
            activation=nn.GELU(approximate="tanh"),
            batch_first=True,
            norm_first=True,
        ),
        layers,
        norm=nn.LayerNorm(width),
    )
    head = nn.Linear(width, vocabulary, bias=False)
    randomize(nn.ModuleList([tokens, positions, encoder, head]))

    ids = torch.randint(0, vocabulary, (3, 6))
    x = tokens(ids) + positions(torch.arange(6))
    logits = head(encoder(x, mask=forbidden_later(6, 6)))
    parameters = {"tokens.weight": tokens.weight, "positions.weight": positions.weight}
    for i, layer in enumerate(encoder.layers):
        parameters.update(block_names(layer, width, f"blocks.{i}."))
    parameters["norm.weight"] = encoder.norm.weight
    parameters["norm.bias"] = encoder.norm.bias
    parameters["head.weight"] = head.weight
    store("transformer", {"ids": ids}, parameters, {"y": logits})


# ---- what has no module of its own in PyTorch 1.13


def parts():
    x = leaf(2, 3, 5, 6)
    angle = torch.outer(torch.arange(5.0) + 2, 10000 ** (-torch.arange(0, 6, 2) / 6))
    turned = torch.view_as_complex(x.reshape(2, 3, 5, 3, 2)) * torch.polar(
        torch.ones_like(angle), angle
    )
    store("rotary", {"x": x}, {}, {"y": torch.view_as_real(turned).reshape(x.shape)})

    up, down, gate = (randomize(nn.Linear(*shape)) for shape in [(6, 10), (10, 6), (6, 10)])
    x = leaf(2, 3, 6)
    names = {
        f"{name}.{p}": getattr(layer, p)
        for name, layer in [("up", up), ("down", down), ("gate", gate)]
        for p in ["weight", "bias"]
    }
    store("swiglu", {"x": x}, names, {"y": down(F.silu(gate(x)) * up(x))})

    x = leaf(2, 3, 6)
    layer = randomize(nn.LayerNorm(6))
    store("layer_norm", {"x": x}, dict(layer.named_parameters()), {"y": layer(x)})

    x, weight = leaf(2, 3, 6), leaf(6)
    y = x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5) * weight
    store("rms_norm", {"x": x}, {"weight": weight}, {"y": y})


# ---- the file


def write(path):
    """https://huggingface.co/docs/safetensors: header length, JSON header, elements."""
    kinds = {np.dtype(np.float64): "F64", np.dtype(np.int64): "I64", np.dtype(np.bool_): "BOOL"}
    header, blocks, at = {}, [], 0
    for name, tensor in OUT.items():
        array = np.array(tensor.detach().numpy(), order="C")
        header[name] = {
            "dtype": kinds[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        blocks.append(array.tobytes())
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blocks))
    OUT.clear()


def main():
    folder = pathlib.Path(__file__).parent
    attention()
    self_attention()
    blocks()
    model()
    parts()
    write(folder / "layers.safetensors")


if __name__ == "__main__":
    main()
