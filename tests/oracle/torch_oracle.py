"""Answers a JSON list of cross entropy and divergence cases with PyTorch's values and gradients, in float64."""

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


def answer(case):
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
