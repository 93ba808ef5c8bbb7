#!/usr/bin/python3
"""Writes optim.safetensors: ten steps of PyTorch's optimizers, its clipping and its schedules.

    python3 tests/reference/make_optimizers.py        (Debian 13: python3-torch 2.6; an older one has
                                                       no Adafactor, and a mistake in NAdam)

Everything is computed in f64. A case NAME is stored as

    NAME/in.X              the data
    NAME/0.P ... NAME/10.P a parameter before the first step and after each
    NAME/state.KIND.P      what the optimizer keeps for it in the end, under PyTorch's name
"""

import pathlib

import torch
import torch.nn as nn
from torch.optim import lr_scheduler

from make_layers import OUT, normal, write

LR = 0.05


def problem():
    w1, b1, w2 = (normal(*shape).requires_grad_() for shape in [(4, 3), (4,), (2, 4)])
    seldom = normal(2).requires_grad_()  # has a gradient in every second step
    x, target = normal(6, 3), normal(6, 2)
    parameters = {"w1": w1, "b1": b1, "w2": w2, "seldom": seldom}

    def loss(step):
        y = torch.tanh(x @ w1.T + b1) @ w2.T
        if step % 2 == 1:
            y = y + seldom
        return ((y - target) ** 2).mean()

    return parameters, {"x": x, "target": target}, loss


def run(case, make):
    parameters, data, loss = problem()
    for name, x in data.items():
        OUT[f"{case}/in.{name}"] = x
    for name, p in parameters.items():
        OUT[f"{case}/0.{name}"] = p.detach().clone()
    optimizer = make(parameters)
    for step in range(10):
        optimizer.zero_grad(set_to_none=True)
        loss(step).backward()
        optimizer.step()
        for name, p in parameters.items():
            OUT[f"{case}/{step + 1}.{name}"] = p.detach().clone()
    for name, p in parameters.items():
        for kind, value in optimizer.state[p].items():
            if value is None:
                continue
            if kind == "step":
                value = torch.tensor(int(value))
            OUT[f"{case}/state.{kind}.{name}"] = value


def run_all(case, optimizer, **options):
    run(case, lambda p: optimizer(p.values(), **options))


def groups(p, **of_matrices):
    return [
        {"params": [p["w1"], p["w2"]], **of_matrices},
        {"params": [p["b1"], p["seldom"]], "weight_decay": 0.0, "lr": 0.5 * LR},
    ]


def optimizers():
    o = torch.optim
    run_all("sgd", o.SGD, lr=LR)
    run_all("sgd.momentum", o.SGD, lr=LR, momentum=0.9, dampening=0.25, weight_decay=0.1)
    run_all("sgd.nesterov", o.SGD, lr=LR, momentum=0.8, nesterov=True)
    run("sgd.groups", lambda p: o.SGD(groups(p, weight_decay=0.2), lr=LR, momentum=0.9))
    for case, adam in [("adam", o.Adam), ("adamw", o.AdamW)]:
        run_all(case, adam, lr=LR)
        run_all(f"{case}.l2", adam, lr=LR, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
        run_all(f"{case}.amsgrad", adam, lr=LR, betas=(0.8, 0.5), amsgrad=True)
        run(f"{case}.groups", lambda p: adam(groups(p, weight_decay=0.2), lr=LR))
        betas = {"weight_decay": 0.2, "betas": (0.7, 0.9)}
        run(f"{case}.betas", lambda p: adam(groups(p, **betas), lr=LR))
    for case, like_adam in [("nadam", o.NAdam), ("radam", o.RAdam), ("adamax", o.Adamax)]:
        run_all(case, like_adam, lr=LR)
        run_all(f"{case}.l2", like_adam, lr=LR, betas=(0.8, 0.75), eps=1e-3, weight_decay=0.1)
    run_all("nadam.decay", o.NAdam, lr=LR, momentum_decay=0.2)
    run_all("adagrad", o.Adagrad, lr=LR)
    run_all("adagrad.l2", o.Adagrad, lr=LR, lr_decay=0.3, eps=1e-3, weight_decay=0.1)
    run_all("rmsprop", o.RMSprop, lr=LR)
    run_all("rmsprop.momentum", o.RMSprop, lr=LR, alpha=0.9, momentum=0.8, weight_decay=0.1)
    run_all("rmsprop.centered", o.RMSprop, lr=LR, alpha=0.9, eps=1e-3, centered=True)
    run_all("rmsprop.both", o.RMSprop, lr=LR, alpha=0.9, momentum=0.8, centered=True)
    run_all("adadelta", o.Adadelta)
    run_all("adadelta.l2", o.Adadelta, lr=0.7, rho=0.8, eps=1e-3, weight_decay=0.1)
    run_all("adafactor", o.Adafactor, lr=LR)
    run_all("adafactor.decay", o.Adafactor, lr=0.9, beta2_decay=-0.5, eps=(1e-6, 0.3), weight_decay=0.1)


def lbfgs(case, **options):
    """Ten steps on a loss that is the same each time."""
    parameters, data, loss = problem()
    for name, x in data.items():
        OUT[f"{case}/in.{name}"] = x
    for name, p in parameters.items():
        OUT[f"{case}/0.{name}"] = p.detach().clone()
    optimizer = torch.optim.LBFGS(parameters.values(), **options)

    def closure():
        optimizer.zero_grad()
        value = loss(1)
        value.backward()
        return value

    losses = []
    for step in range(10):
        losses.append(optimizer.step(closure).item())
        for name, p in parameters.items():
            OUT[f"{case}/{step + 1}.{name}"] = p.detach().clone()
    OUT[f"{case}/losses"] = torch.tensor(losses)


def clipping():
    for case, limit in [("norm.above", 0.75), ("norm.below", 100.0)]:
        leaves = [normal(5, 3).requires_grad_(), normal(7).requires_grad_()]
        for i, p in enumerate(leaves):
            p.grad = normal(*p.shape)
            OUT[f"clip.{case}/before.{i}"] = p.grad.clone()
        OUT[f"clip.{case}/norm"] = nn.utils.clip_grad_norm_(leaves, limit)
        for i, p in enumerate(leaves):
            OUT[f"clip.{case}/after.{i}"] = p.grad
    p = normal(9).requires_grad_()
    p.grad = normal(9)
    OUT["clip.value/before"] = p.grad.clone()
    nn.utils.clip_grad_value_([p], 0.5)
    OUT["clip.value/after"] = p.grad


def schedules():
    """The rates of the first steps: 30 of each, or as many as PyTorch's has."""

    def rates(scheduler_of, start=3e-3, count=30):
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=start)
        scheduler = scheduler_of(optimizer)
        out = []
        for _ in range(count):
            out.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return out

    s, warmup, total = lr_scheduler, 5, 20
    rising = rates(lambda o: s.LinearLR(o, 1 / warmup, 1.0, warmup - 1), count=warmup)
    falling = rates(lambda o: s.CosineAnnealingLR(o, total - warmup, 3e-4), count=total - warmup + 1)
    all = {
        "warmup_cosine": rising + falling,
        "linear": rates(lambda o: s.LinearLR(o, 1.0, 0.25, total)),
        "polynomial": rates(lambda o: s.PolynomialLR(o, total, 1.5)),
        "cosine": rates(lambda o: s.CosineAnnealingLR(o, total, 3e-4), count=total + 1),
        "cosine_restarts": rates(lambda o: s.CosineAnnealingWarmRestarts(o, 4, 2, 3e-4)),
        "cosine_restarts.equal": rates(lambda o: s.CosineAnnealingWarmRestarts(o, 7, 1, 0)),
        "exponential": rates(lambda o: s.ExponentialLR(o, 0.9)),
        "step": rates(lambda o: s.StepLR(o, 4, 0.5)),
        "multi_step": rates(lambda o: s.MultiStepLR(o, [3, 4, 17], 0.5)),
        "one_cycle": rates(lambda o: s.OneCycleLR(o, 3e-3, total), count=total),
        "one_cycle.settings": rates(
            lambda o: s.OneCycleLR(
                o, 3e-3, total, pct_start=0.43, div_factor=10, final_div_factor=50
            ),
            count=total,
        ),
    }
    for name, values in all.items():
        OUT[f"schedule.{name}"] = torch.tensor(values)
    metrics = [3.0, 2.0, 1.9999, 2.5, 2.4, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 0.5, 9, 9, 9, 9]
    for mode in ["min", "max"]:
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=3e-3)
        plateau = s.ReduceLROnPlateau(
            optimizer, mode, factor=0.5, patience=1, cooldown=2, min_lr=5e-4
        )
        out = []
        for metric in metrics:
            plateau.step(metric)
            out.append(optimizer.param_groups[0]["lr"])
        OUT[f"plateau.{mode}"] = torch.tensor(out)
    OUT["plateau.metrics"] = torch.tensor(metrics)


if __name__ == "__main__":
    torch.manual_seed(0)
    optimizers()
    lbfgs("lbfgs", max_iter=3, line_search_fn="strong_wolfe")
    lbfgs("lbfgs.history", lr=3, max_iter=2, history_size=2, line_search_fn="strong_wolfe")
    lbfgs("lbfgs.plain", lr=0.1, max_iter=4)
    clipping()
    schedules()
    write(pathlib.Path(__file__).parent / "optim.safetensors")
