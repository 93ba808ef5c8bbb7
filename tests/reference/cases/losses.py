"""Losses: a case NAME gives the sum and the mean, NAME_each the losses one by one."""

import numpy as np
import torch.nn.functional as F

from cases.case import case, normal, values, integers, Constant


def summed(loss):
    """The sum and the mean."""
    return lambda *a: (loss(*a, reduction="sum"), loss(*a, reduction="mean"))


def each(loss):
    return lambda *a: loss(*a, reduction="none")


def by_class(loss, **options):
    """A loss as rapt has it, with the classes on the last axis."""

    def f(x, targets, weight=None, reduction=None):
        c = x.shape[-1]
        soft = targets.is_floating_point()
        flat = targets.reshape(-1, c) if soft else targets.reshape(-1)
        y = loss(x.reshape(-1, c), flat, weight, reduction=reduction, **options)
        return y.reshape(x.shape[:-1]) if reduction == "none" else y

    return f


def losses():
    weights = lambda rng: Constant(rng.uniform(0.3, 2.5, size=4).round(3))
    ignored = lambda rng: np.where(rng.random((2, 3)) < 0.4, -100, rng.integers(0, 4, size=(2, 3)))
    soft = lambda rng: rng.dirichlet((1, 1, 1, 1), size=(2, 3)).round(3)
    x = normal(2, 3, 4)
    y = integers(4, 2, 3)
    shifted = values((100.5, 99, 98), (5, 100, 102))
    large = values((1000, 0, -1000), (5, 1000, 2))

    ce = lambda **options: by_class(F.cross_entropy, **options)
    classes = {
        "cross_entropy": (ce(), x, y),
        "cross_entropy/one row": (ce(), normal(1, 4), integers(4, 1)),
        "cross_entropy/large": (ce(), large, integers(3, 2)),
        "cross_entropy/shifted": (ce(label_smoothing=0.1), shifted, integers(3, 2)),
        "cross_entropy/ignored": (ce(), x, ignored),
        "cross_entropy/ignore 0": (ce(ignore_index=0), x, y),
        "cross_entropy/smoothing": (ce(label_smoothing=0.1), x, y),
        "cross_entropy/weights": (ce(), x, y, weights),
        "cross_entropy/all": (ce(label_smoothing=0.2), x, ignored, weights),
        "cross_entropy/probabilities": (ce(), x, soft),
        "cross_entropy/probabilities, smoothing": (ce(label_smoothing=0.1), x, soft),
        "cross_entropy/probabilities and weights": (ce(), x, soft, weights),
        "nll_loss": (by_class(F.nll_loss), x, y),
        "nll_loss/ignored and weights": (by_class(F.nll_loss), x, ignored, weights),
    }
    nll = by_class(F.nll_loss)
    of_logs = lambda x, y, **how: nll(F.log_softmax(x, -1), y, **how)
    classes["nll_loss/of log_softmax"] = (of_logs, x, y)

    binary = F.binary_cross_entropy_with_logits
    weighted = lambda x, t, w, **how: binary(x, t, pos_weight=w, **how)
    odds = values(-100, -3, -0.2, 0.1, 2, 100)
    truth = lambda rng: Constant(np.array([0, 1, 0.25, 0, 1, 1.0]))
    elements = {
        "mse_loss": (F.mse_loss, normal(2, 3), normal(2, 3)),
        "l1_loss": (F.l1_loss, normal(2, 3), normal(2, 3)),
        "huber_loss": (F.huber_loss, normal(4, 3), normal(4, 3)),
        "huber_loss/delta": (
            lambda x, y, **how: F.huber_loss(x, y, delta=0.5, **how), normal(4, 3), normal(4, 3)
        ),
        "binary_cross_entropy_with_logits": (binary, odds, truth),
        "binary_cross_entropy_with_logits/pos_weight": (
            weighted,
            normal(2, 3),
            lambda rng: Constant(rng.random((2, 3)).round(3)),
            lambda rng: Constant([0.5, 1, 3]),
        ),
    }
    for name, (loss, *inputs) in {**classes, **elements}.items():
        case(name, summed(loss), *inputs)
        family, _, how = name.partition("/")
        case(f"{family}_each" + ("/" + how if how else ""), each(loss), *inputs)

    # Of rows: the mean is over them, and one by one they are added up along the last axis.
    def kl(x, y, reduction):
        each = F.kl_div(x, y, reduction="none").sum(-1)
        return {"sum": each.sum(), "mean": each.mean(), "none": each}[reduction]

    def cosine(margin):
        return lambda a, b, y, **how: F.cosine_embedding_loss(a, b, y, margin=margin, **how)

    def ctc(x, targets, lengths, target_lengths, reduction):
        """Batch first, and the mean over sequences."""
        each = F.ctc_loss(
            F.log_softmax(x, -1).transpose(0, 1), targets, lengths, target_lengths, reduction="none"
        )
        return {"sum": each.sum(), "mean": each.mean(), "none": each}[reduction]

    whole = lambda *x: lambda rng: Constant(np.array(x))
    log_probabilities = lambda rng: np.log(rng.dirichlet((1, 1, 1, 1), size=5)).round(3)
    # PyTorch's gradient for a target of 0 is NaN.
    sparse = lambda rng: Constant(
        np.where(rng.random((5, 4)) < 0.3, 0, rng.dirichlet((1, 1, 1, 1), size=5)).round(3)
    )
    signs = lambda rng: Constant(np.array([1, -1, 1, -1, -1]))
    rows = {
        "kl_div_loss": (kl, log_probabilities, sparse),
        "ctc_loss": (
            ctc,
            normal(3, 6, 5),
            whole([1, 1, 4], [2, 3, 1], [4, 1, 1]),
            whole(6, 5, 4),
            whole(3, 2, 0),
        ),
        "ctc_loss/long": (
            ctc,
            normal(2, 60, 4),
            lambda rng: Constant(rng.integers(1, 4, size=(2, 20))),
            whole(60, 45),
            whole(20, 11),
        ),
        "cosine_embedding_loss": (cosine(0), normal(5, 3), normal(5, 3), signs),
        "cosine_embedding_loss/margin": (cosine(-0.5), normal(5, 3), normal(5, 3), signs),
    }
    for name, (loss, *inputs) in rows.items():
        case(name, summed(loss), *inputs)
        family, _, how = name.partition("/")
        case(f"{family}_each" + ("/" + how if how else ""), each(loss), *inputs)
