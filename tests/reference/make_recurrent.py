#!/usr/bin/python3
"""Writes recurrent.safetensors: what PyTorch makes of rapt's recurrent layers.

    /usr/bin/python3 tests/reference/make_recurrent.py        (Debian 12: python3-torch 1.13)

Cases are stored as make_layers.py has it.
"""

import pathlib

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from make_layers import OUT, leaf, randomize, store, write


def direction_names(module, prefix, end):
    """Of one layer in one direction, under rapt's names."""
    parts = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    return {f"{prefix}.{p}": getattr(module, p + end) for p in parts if hasattr(module, p + end)}


def names(module):
    out = {}
    for i in range(module.num_layers):
        out.update(direction_names(module, f"layers.{i}.forward", f"_l{i}"))
        if module.bidirectional:
            out.update(direction_names(module, f"layers.{i}.backward", f"_l{i}_reverse"))
    return out


def layer(case, module, rows=3, steps=5, lengths=None, initial=False):
    """y, and the last states, of which y + their sums is differentiated."""
    randomize(module)
    x = leaf(rows, steps, module.input_size)
    inputs = {"x": x}
    states = module.num_layers * (2 if module.bidirectional else 1)
    is_lstm = isinstance(module, nn.LSTM)
    hx = None
    if initial:
        inputs["hidden"] = leaf(states, rows, module.hidden_size)
        if is_lstm:
            inputs["cell"] = leaf(states, rows, module.hidden_size)
        hx = (inputs["hidden"], inputs["cell"]) if is_lstm else inputs["hidden"]
    if lengths is None:
        y, last = module(x, hx)
    else:
        inputs["lengths"] = torch.tensor(lengths)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, last = module(packed, hx)
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=steps)
    outputs = {"hidden": last[0], "cell": last[1]} if is_lstm else {"hidden": last}
    # One tensor of all that is differentiated: the states' rows behind the tokens.
    flat = [t.transpose(0, 1).reshape(rows, -1) for t in outputs.values()]
    outputs["output"] = y
    outputs["y"] = torch.cat([y.reshape(rows, -1), *flat], 1)
    store(case, inputs, names(module), outputs)


def layers():
    for name, kind in (("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)):
        layer(f"{name}.plain", kind(4, 6, batch_first=True))
        layer(f"{name}.no_bias", kind(4, 6, bias=False, batch_first=True), initial=True)
        layer(f"{name}.layers", kind(4, 6, num_layers=3, batch_first=True), initial=True)
        layer(
            f"{name}.bidirectional",
            kind(4, 6, num_layers=2, bidirectional=True, batch_first=True),
            initial=True,
        )
        layer(
            f"{name}.lengths",
            kind(4, 6, num_layers=2, bidirectional=True, batch_first=True),
            rows=4,
            lengths=[3, 5, 1, 4],
            initial=True,
        )
    layer("rnn.relu", nn.RNN(4, 6, num_layers=2, nonlinearity="relu", batch_first=True))


def encoder_decoder():
    """arXiv:1409.0473, written out."""
    vocabulary, targets, width, hidden, score = 9, 7, 4, 5, 6
    for name, kind, cell in (("gru", nn.GRU, nn.GRUCell), ("lstm", nn.LSTM, nn.LSTMCell)):
        parts = nn.ModuleDict(
            {
                "source_tokens": nn.Embedding(vocabulary, width),
                "target_tokens": nn.Embedding(targets, width),
                "encoder": kind(width, hidden, bidirectional=True, batch_first=True),
                "cell": cell(width + 2 * hidden, hidden),
                "start": nn.Linear(hidden, hidden),
                "query": nn.Linear(hidden, score, bias=False),
                "key": nn.Linear(2 * hidden, score, bias=False),
                "readout": nn.Linear(3 * hidden + width, 2 * hidden),
                "head": nn.Linear(hidden, targets),
            }
        )
        randomize(parts)
        v = leaf(score)
        lengths = torch.tensor([4, 2, 3])
        source, target = torch.randint(vocabulary, (3, 4)), torch.randint(targets, (3, 5))
        packed = pack_padded_sequence(
            parts["source_tokens"](source), lengths, batch_first=True, enforce_sorted=False
        )
        values, last = parts["encoder"](packed)
        values, _ = pad_packed_sequence(values, batch_first=True, total_length=4)
        h = torch.tanh(parts["start"]((last[0] if name == "lstm" else last)[1]))
        c = torch.zeros_like(h)
        padded = torch.arange(4)[None, :] >= lengths[:, None]
        logits = []
        for t in range(5):
            y = parts["target_tokens"](target[:, t])
            scores = torch.tanh(parts["query"](h)[:, None] + parts["key"](values)) @ v
            weights = F.softmax(scores.masked_fill(padded, -torch.inf), -1)
            context = (weights[..., None] * values).sum(1)
            z = torch.cat([y, context], -1)
            if name == "lstm":
                h, c = parts["cell"](z, (h, c))
            else:
                h = parts["cell"](z, h)
            read = parts["readout"](torch.cat([h, y, context], -1))
            logits.append(parts["head"](read.reshape(3, hidden, 2).amax(-1)))
        parameters = {k: p for k, p in parts.named_parameters() if not k.startswith("encoder.")}
        parameters.update(direction_names(parts["encoder"], "encoder.forward", "_l0"))
        parameters.update(direction_names(parts["encoder"], "encoder.backward", "_l0_reverse"))
        parameters["score"] = v
        store(
            f"encoder_decoder.{name}",
            {"source": source, "target": target, "lengths": lengths},
            parameters,
            {"y": torch.stack(logits, 1)},
        )


def main():
    OUT.clear()
    layers()
    encoder_decoder()
    write(pathlib.Path(__file__).parent / "recurrent.safetensors")


if __name__ == "__main__":
    main()
