#!/usr/bin/python3
"""Writes models.safetensors: what PyTorch's own attention and Transformers make, with their state
dicts.

    /usr/bin/python3 tests/reference/make_models.py        (Debian 12: python3-torch 1.13)

Cases are stored as make_layers.py has it, but for the parameters, which go by PyTorch's names.
"""

import pathlib

import torch
import torch.nn as nn

from make_layers import OUT, forbidden_later, leaf, randomize, store, write

WIDTH, HEADS, HIDDEN = 8, 2, 6


def padded(lengths, length):
    return torch.arange(length)[None, :] >= lengths[:, None]


def attention():
    for case, options in [
        ("plain", {}),
        ("no_bias", {"bias": False}),
        ("memory", {"kdim": 5, "vdim": 5}),
    ]:
        layer = randomize(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options))
        inputs = {"x": leaf(2, 3, WIDTH), "lengths": torch.tensor([4, 2])}
        inputs["memory"] = leaf(2, 4, options.get("kdim", WIDTH))
        y, _ = layer(
            inputs["x"],
            inputs["memory"],
            inputs["memory"],
            key_padding_mask=padded(inputs["lengths"], 4),
        )
        store(f"attention.{case}", inputs, dict(layer.named_parameters()), {"y": y})


def blocks():
    for norm_first in [True, False]:
        for activation in ["relu", "gelu"]:
            options = {
                "dropout": 0.0,
                "activation": activation,
                "batch_first": True,
                "norm_first": norm_first,
            }
            name = f"{'pre' if norm_first else 'post'}.{activation}"
            causal, lengths = forbidden_later(4, 4), torch.tensor([4, 2])
            layer = randomize(nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, **options))
            inputs = {"x": leaf(2, 4, WIDTH), "lengths": lengths}
            y = layer(inputs["x"], causal, padded(lengths, 4))
            store(f"encoder_layer.{name}", inputs, dict(layer.named_parameters()), {"y": y})

            layer = randomize(nn.TransformerDecoderLayer(WIDTH, HEADS, HIDDEN, **options))
            inputs = {"x": leaf(2, 4, WIDTH), "memory": leaf(2, 3, WIDTH)}
            inputs |= {"lengths": lengths, "memory_lengths": torch.tensor([1, 3])}
            y = layer(
                inputs["x"],
                inputs["memory"],
                causal,
                None,
                padded(lengths, 4),
                padded(inputs["memory_lengths"], 3),
            )
            store(f"decoder_layer.{name}", inputs, dict(layer.named_parameters()), {"y": y})


def stacks():
    """Without the last norm, which is PyTorch's default."""
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, HIDDEN, dropout=0.0, batch_first=True, norm_first=True
    )
    stack = randomize(nn.TransformerEncoder(layer, 2))
    x = leaf(2, 4, WIDTH)
    store("encoder", {"x": x}, dict(stack.named_parameters()), {"y": stack(x)})


def transformers():
    for norm_first, activation in [(True, "gelu"), (False, "relu")]:
        model = nn.Transformer(
            WIDTH,
            HEADS,
            num_encoder_layers=2,
            num_decoder_layers=1,
            dim_feedforward=HIDDEN,
            dropout=0.0,
            activation=activation,
            batch_first=True,
            norm_first=norm_first,
        )
        randomize(model)
        source, target, lengths = leaf(2, 4, WIDTH), leaf(2, 3, WIDTH), torch.tensor([2, 4])
        y = model(
            source,
            target,
            tgt_mask=forbidden_later(3, 3),
            src_key_padding_mask=padded(lengths, 4),
            memory_key_padding_mask=padded(lengths, 4),
        )
        store(
            f"transformer.{'pre' if norm_first else 'post'}",
            {"source": source, "target": target, "lengths": lengths},
            dict(model.named_parameters()),
            {"y": y},
        )


def main():
    OUT.clear()
    attention()
    blocks()
    stacks()
    transformers()
    write(pathlib.Path(__file__).parent / "models.safetensors")


if __name__ == "__main__":
    main()
