"""Answers a JSON list of cases with PyTorch's values and gradients, in float64: cross entropies, divergences, losses over values."""

import json
import sys

import torch


def divergence(case):
    """T² KL(softmax(teacher / T) ‖ softmax(z / T)), summed."""
    logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
    t = case["temperature"]
    teacher = torch.tensor(case["teacher"], dtype=torch.float64)
    log_p = torch.log_softmax(logits / t, dim=-1)
    value = t * t * torch.nn.functional.kl_div(log_p, torch.softmax(teacher / t, dim=-1), reduction="sum")
    value.backward()
    return {"value": [value.item()], "gradient": logits.grad.flatten().tolist(), "labelsGradient": None}


F = torch.nn.functional

# Each takes predictions, targets, an option and PyTorch's reduction. Without one they give a number for each element; what
# has one number a row gives that.
VALUES = {
    "mse": lambda p, t, _, r: F.mse_loss(p, t, reduction=r),
    "l1": lambda p, t, _, r: F.l1_loss(p, t, reduction=r),
    "huber": lambda p, t, delta, r: F.huber_loss(p, t, delta=delta, reduction=r),
    "binary with logits": lambda p, t, _, r: F.binary_cross_entropy_with_logits(p, t, reduction=r),
    "binary": lambda p, t, _, r: F.binary_cross_entropy(p, t, reduction=r),
    "poisson": lambda p, t, eps, r: F.poisson_nll_loss(p, t, log_input=False, eps=eps, reduction=r),
    "kl": lambda p, t, _, r: F.kl_div(torch.log(p), t, reduction=r),
    "cosine": lambda p, t, _, r: F.cosine_embedding_loss(p, t, torch.ones(len(p)), reduction=r),
}


def of_values(case):
    """A loss over predictions and targets [N, D]."""
    predictions = torch.tensor(case["predictions"], dtype=torch.float64, requires_grad=True)
    targets = torch.tensor(case["targets"], dtype=torch.float64, requires_grad=case["learnsTargets"])
    value = VALUES[case["values"]](predictions, targets, case["option"], case["reduction"])
    value.sum().backward()
    return {
        "value": value.detach().flatten().tolist(),
        "gradient": predictions.grad.flatten().tolist(),
        "labelsGradient": targets.grad.flatten().tolist() if case["learnsTargets"] else None,
    }


def answer(case):
    if "values" in case:
        return of_values(case)
    if "teacher" in case:
        return divergence(case)
    logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
    soft = case["soft"]
    labels = torch.tensor(case["labels"], dtype=torch.float64 if soft else torch.int64, requires_grad=soft)
    weight = case["weight"]
    # PyTorch keeps the classes in dimension 1; ours are last.
    rows = logits.movedim(-1, 1) if logits.dim() > 2 else logits
    targets = labels.movedim(-1, 1) if soft and logits.dim() > 2 else labels
    value = torch.nn.functional.cross_entropy(
        rows,
        targets,
        weight=None if weight is None else torch.tensor(weight, dtype=torch.float64),
        ignore_index=case["ignoreIndex"],
        reduction=case["reduction"],
        label_smoothing=case["labelSmoothing"],
    )
    value.sum().backward()
    return {
        "value": value.detach().flatten().tolist(),
        "gradient": logits.grad.flatten().tolist(),
        "labelsGradient": labels.grad.flatten().tolist() if soft else None,
    }


json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)
