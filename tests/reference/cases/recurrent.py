"""Recurrent layers: one layer in one direction."""

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cases.case import case, normal


def run(kind, x, parameters, states, lengths=None):
    """y, h and, of an LSTM, c. states [B, hidden] each."""
    function = getattr(torch, kind)
    has_biases = len(parameters) == 4
    hx = tuple(s[None] for s in states)
    hx = hx if len(hx) > 1 else hx[0]
    end = (has_biases, 1, 0.0, False, False)
    if lengths is None:
        y, *last = function(x, hx, parameters, *end, True)
        return [y, *(s[0] for s in last)]
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    order = packed.sorted_indices
    hx = tuple(s[None, order] for s in states)
    data, *last = function(
        packed.data, packed.batch_sizes, hx if len(hx) > 1 else hx[0], parameters, *end
    )
    y, _ = pad_packed_sequence(
        packed._replace(data=data), batch_first=True, total_length=x.shape[1]
    )
    return [y, *(s[0, packed.unsorted_indices] for s in last)]


def flipped(x, lengths):
    """Each row turned around within its own length."""
    rows = [torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(x, lengths.tolist())]
    return torch.stack(rows)


def reversed_run(kind, x, parameters, states, lengths=None):
    n = torch.full((x.shape[0],), x.shape[1]) if lengths is None else lengths
    y, *last = run(kind, flipped(x, n), parameters, states, lengths)
    return [flipped(y, n), *last]


def recurrent():
    rows, steps, width, hidden = 3, 4, 5, 6
    lengths = np.array([2, 4, 1])
    for name, kind, gates in (
        ("rnn", "rnn_tanh", 1),
        ("rnn", "rnn_relu", 1),
        ("lstm", "lstm", 4),
        ("gru", "gru", 3),
    ):
        wide = gates * hidden
        x = normal(rows, steps, width)
        weights = (normal(wide, width), normal(wide, hidden))
        biases = (normal(wide), normal(wide))
        states = (normal(rows, hidden),) * (2 if name == "lstm" else 1)

        def padded(x, w, v, b, c, *s, kind=kind, of=run):
            return of(kind, x, (w, v, b, c), s)

        def packed(n, x, w, v, b, c, *s, kind=kind, of=run):
            return of(kind, x, (w, v, b, c), s, n)

        if kind == "rnn_relu":
            case("rnn/relu", padded, x, *weights, *biases, *states)
            continue
        case(f"{name}/plain", padded, x, *weights, *biases, *states)
        zeros = [torch.zeros(rows, hidden)] * len(states)
        case(
            f"{name}/no biases",
            lambda x, w, v, k=kind, z=zeros: run(k, x, (w, v), [s.to(x.dtype) for s in z]),
            x,
            *weights,
        )
        backward = lambda *a, f=padded: f(*a, of=reversed_run)
        case(f"{name}/reverse", backward, x, *weights, *biases, *states)
        case(f"{name}/lengths", packed, lengths, x, *weights, *biases, *states)
        backward = lambda *a, f=packed: f(*a, of=reversed_run)
        case(f"{name}/lengths, reverse", backward, lengths, x, *weights, *biases, *states)
