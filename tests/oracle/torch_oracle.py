"""Answers a JSON list of cases with PyTorch's values and gradients, in float64: its own losses, and others as their authors form them."""

import json
import math
import sys

import torch
import torch.nn.functional as F
from torch.nn.functional import cross_entropy, kl_div, log_softmax, one_hot, softmax

torch.set_default_dtype(torch.float64)


def divergence(case):
    """T² KL(softmax(teacher / T) ‖ softmax(z / T)), summed."""
    logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
    t = case["temperature"]
    teacher = torch.tensor(case["teacher"], dtype=torch.float64)
    log_p = log_softmax(logits / t, dim=-1)
    value = t * t * kl_div(log_p, softmax(teacher / t, dim=-1), reduction="sum")
    value.backward()
    return {"value": [value.item()], "gradient": logits.grad.flatten().tolist(), "labelsGradient": None}


def info_nce(a, b, t, reduction):
    similarities = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T
    return cross_entropy(similarities / t, torch.arange(len(a)), reduction=reduction)


def nt_xent(a, b, t, reduction):
    z = F.normalize(torch.cat([a, b]), dim=-1)
    similarities = (z @ z.T).masked_fill(torch.eye(len(z), dtype=torch.bool), -math.inf)
    return cross_entropy(similarities / t, torch.arange(len(z)).roll(len(a)), reduction=reduction)


# Each takes predictions, targets, an option and PyTorch's reduction. Without one they give a number for each element; what
# has one number a row gives that.
of_values = {
    "mse": lambda p, t, _, r: F.mse_loss(p, t, reduction=r),
    "l1": lambda p, t, _, r: F.l1_loss(p, t, reduction=r),
    "huber": lambda p, t, delta, r: F.huber_loss(p, t, delta=delta, reduction=r),
    "binary with logits": lambda p, t, _, r: F.binary_cross_entropy_with_logits(p, t, reduction=r),
    "binary": lambda p, t, _, r: F.binary_cross_entropy(p, t, reduction=r),
    "poisson": lambda p, t, eps, r: F.poisson_nll_loss(p, t, log_input=False, eps=eps, reduction=r),
    "kl": lambda p, t, _, r: kl_div(torch.log(p), t, reduction=r),
    "info nce": info_nce,
    "nt xent": nt_xent,
    "cosine": lambda p, t, _, r: F.cosine_embedding_loss(p, t, torch.ones(len(p)), reduction=r),
}


def over_values(case):
    """A loss over predictions and targets [N, D]."""
    predictions = torch.tensor(case["predictions"], dtype=torch.float64, requires_grad=True)
    targets = torch.tensor(case["targets"], dtype=torch.float64, requires_grad=case["learnsTargets"])
    value = of_values[case["values"]](predictions, targets, case["option"], case["reduction"])
    value.sum().backward()
    return {
        "value": value.detach().flatten().tolist(),
        "gradient": predictions.grad.flatten().tolist(),
        "labelsGradient": targets.grad.flatten().tolist() if case["learnsTargets"] else None,
    }


def lambert_w(x):
    """The principal branch, by bisection."""
    low, high = torch.full_like(x, -1.0), torch.full_like(x, 60.0)
    for _ in range(200):
        middle = (low + high) / 2
        below = middle * torch.exp(middle) < x
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def gce(z, y, q):
    return (1 - softmax(z, -1).gather(1, y[:, None]).squeeze(1) ** q) / q


def sce(z, y, alpha, beta, A):
    log_of_labels = torch.where(one_hot(y, z.shape[1]).bool(), 0.0, A)
    return alpha * cross_entropy(z, y, reduction="none") - beta * (softmax(z, -1) * log_of_labels).sum(-1)


def mixce(z, y, e):
    loss = cross_entropy(z, y, reduction="none")
    return e * loss + (1 - e) * torch.exp(-loss.detach()) * loss


def mile(z, y, gamma):
    p = softmax(z.detach(), -1)
    unsure = (1 - torch.xlogy(p, p).sum(-1)) ** gamma
    return unsure / unsure.mean() * cross_entropy(z, y, reduction="none")


def super_loss(z, y, lam, tau):
    loss = cross_entropy(z, y, reduction="none")
    tau = loss.detach().mean() if tau is None else tau
    beta = torch.clamp((loss.detach() - tau) / lam, min=-2 / math.e)
    sigma = torch.exp(-lambert_w(beta / 2))
    return (loss - tau) * sigma + lam * torch.log(sigma) ** 2


def ldam(z, y, counts, max_margin, scale):
    margins = torch.tensor(counts, dtype=torch.float64) ** -0.25
    margins = margins * (max_margin / margins.max())
    shifted = torch.where(one_hot(y, z.shape[1]).bool(), z - margins[y][:, None], z)
    return cross_entropy(scale * shifted, y, reduction="none")


def balanced(z, y, counts):
    return cross_entropy(z + torch.log(torch.tensor(counts, dtype=torch.float64)), y, reduction="none")


def t5x(z, y, e):
    others = z.shape[1] - 1
    soft = torch.where(one_hot(y, z.shape[1]).bool(), 1 - e, e / others)
    normalizing_constant = -((1 - e) * math.log(1 - e) + e * math.log(e / others + 1e-20))
    return -(soft * log_softmax(z, -1)).sum(-1) - normalizing_constant


def kl(z, q):
    return kl_div(log_softmax(z, -1), q, reduction="none").sum(-1)


def keras(p, y):
    p = torch.clip(p / p.sum(-1, keepdim=True), 1e-7, 1 - 1e-7)
    return -torch.log(p).gather(1, y[:, None]).squeeze(1)


def earlier(labels, classes):
    """[N, V]: whether a class is the label of an earlier row of the sequence."""
    hot = F.one_hot(labels, classes)
    return hot.cumsum(0) - hot > 0


def in_sequences(z, y, each):
    """One number a row, from those of each sequence; rows with a label of -100 are left out, and get 0."""
    values = []
    for logits, labels in zip(z.reshape(-1, *z.shape[-2:]), y.reshape(-1, y.shape[-1])):
        kept = labels != -100
        values.append(torch.zeros(len(labels)).masked_scatter(kept, each(logits[kept], labels[kept])))
    return torch.stack(values)


def penalty(logits, labels, candidates, clamp):
    """The sum of -log(1 - p) over the candidates [N, V] but the label."""
    others = candidates & ~F.one_hot(labels, logits.shape[1]).bool()
    surprise = -(1 - softmax(logits, -1)).clamp(min=clamp).log()
    return surprise.masked_fill(~others, 0).sum(-1)


def unlikelihood(z, y, alpha, clamp):
    def each(logits, labels):
        candidates = earlier(labels, logits.shape[1])
        return cross_entropy(logits, labels, reduction="none") + alpha * penalty(logits, labels, candidates, clamp)

    return in_sequences(z, y, each)


def given_unlikelihood(z, y, candidates, alpha, clamp):
    # -1, for no candidate, is a class of its own before the others.
    given = F.one_hot(torch.tensor(candidates) + 1, z.shape[1] + 1).any(1)[:, 1:]
    return cross_entropy(z, y, reduction="none") + alpha * penalty(z, y, given, clamp)


def in_repeat(labels, n):
    """[B, L]: whether a token is part of n tokens that stood in this order before in its sequence."""
    windows = labels.unfold(-1, n, 1)
    count = windows.shape[1]
    again = (windows[:, :, None] == windows[:, None]).all(-1).tril(-1).any(-1)
    covered = torch.zeros(labels.shape, dtype=torch.bool)
    for offset in range(n):
        covered[:, offset : offset + count] |= again
    return covered


def sequence_unlikelihood(z, y, n, clamp):
    own = softmax(z, -1).gather(2, y[:, :, None]).squeeze(2)
    return -(1 - own).clamp(min=clamp).log() * (in_repeat(y, n) if y.shape[1] >= n else 0)


def scale_grad(z, y, gamma):
    def each(logits, labels):
        scale = torch.where(earlier(labels, logits.shape[1]), 1.0, gamma)
        scaled = softmax(logits, -1) * scale
        return -(scaled / scaled.sum(-1, keepdim=True)).gather(1, labels[:, None]).squeeze(1).log()

    return in_sequences(z, y, each)


def rho(z, y, reference, count):
    loss = cross_entropy(z, y, reduction="none")
    chosen = torch.topk(loss.detach() - torch.tensor(reference, dtype=torch.float64), count).indices
    return loss[chosen].mean(0, keepdim=True)


of_candidates = [unlikelihood, given_unlikelihood, sequence_unlikelihood, scale_grad]
others = [gce, sce, mixce, mile, super_loss, ldam, balanced, t5x, kl, keras, rho]
named = {f.__name__: f for f in [*of_candidates, *others]}


def by_name(case):
    logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
    soft = case["soft"]
    labels = torch.tensor(case["labels"], dtype=torch.float64 if soft else torch.int64, requires_grad=soft)
    value = named[case["loss"]](logits, labels, **case["parameters"])
    value.sum().backward()
    return {
        "value": value.detach().flatten().tolist(),
        "gradient": logits.grad.flatten().tolist(),
        # JSON has no NaN.
        "labelsGradient": [None if g != g else g for g in labels.grad.flatten().tolist()] if soft else None,
    }


def dpo(p, t, beta, labelSmoothing):
    logits = (p[:, 0] - p[:, 1]) - (t[:, 0] - t[:, 1])
    return -F.logsigmoid(beta * logits) * (1 - labelSmoothing) - F.logsigmoid(-beta * logits) * labelSmoothing


def ipo(p, t, beta):
    return ((p[:, 0] - p[:, 1]) - (t[:, 0] - t[:, 1]) - 1 / (2 * beta)) ** 2


def simpo(p, t, beta, gamma, labelSmoothing):
    logits = beta * (p[:, 0] - p[:, 1] - gamma / beta)
    return -F.logsigmoid(logits) * (1 - labelSmoothing) - F.logsigmoid(-logits) * labelSmoothing


def orpo(p, t, **given):
    chosen, rejected = p[:, 0], p[:, 1]
    log_odds = (chosen - rejected) - (torch.log1p(-torch.exp(chosen)) - torch.log1p(-torch.exp(rejected)))
    return -given["likelihood"] * chosen - given["lambda"] * F.logsigmoid(log_odds)


def kto(p, t, beta, desirableWeight, undesirableWeight, desirable):
    kl = (p[:, 1] - t[:, 1]).mean().clamp(min=0).detach()
    ratios = p[:, 0] - t[:, 0]
    # 1 - sigmoid(x) as exp(logsigmoid(-x)), whose gradient keeps its digits too.
    good = desirableWeight * torch.exp(F.logsigmoid(-beta * (ratios - kl)))
    bad = undesirableWeight * torch.exp(F.logsigmoid(-beta * (kl - ratios)))
    return torch.where(torch.tensor(desirable).bool(), good, bad)


preferences = {f.__name__: f for f in [dpo, ipo, simpo, orpo, kto]}


def log_probabilities(logits, labels, per):
    """Of sequences [N, T, V] with labels [N, T], -100 where no token counts."""
    labels = torch.tensor(labels)
    valid = labels >= 0
    tokens = log_softmax(logits, -1).gather(2, labels.clamp(min=0)[..., None]).squeeze(2) * valid
    return tokens.sum(-1) / (valid.sum(-1) if per == "mean" else 1)


def on_preferences(case):
    """Of log-probabilities [N, 2], or of the logits that two sequences have them from, [2, N, T, V]."""
    given = torch.tensor(case["policy"], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor(case["reference"], dtype=torch.float64)
    of = lambda x: x
    if "labels" in case:
        of = lambda x: torch.stack([log_probabilities(x[i], case["labels"][i], case["per"]) for i in range(2)], -1)
    value = preferences[case["preference"]](of(given), of(reference), **case["parameters"])
    value.sum().backward()
    return {"value": value.tolist(), "gradient": given.grad.flatten().tolist(), "labelsGradient": None}


def triplet(case):
    """PyTorch's own, of anchors, positives and negatives [3, N, D]."""
    given = torch.tensor(case["triplets"], dtype=torch.float64, requires_grad=True)
    p = math.inf if case["p"] is None else case["p"]
    value = F.triplet_margin_loss(*given, margin=case["margin"], p=p, swap=case["swap"], reduction="none")
    value.sum().backward()
    return {"value": value.tolist(), "gradient": given.grad.flatten().tolist(), "labelsGradient": None}


def squared_errors(case, shared):
    """One loss a task: its scale times the mean squared error of x @ shared to its targets."""
    x = torch.tensor(case["x"], dtype=torch.float64)
    return torch.stack([c * F.mse_loss(x @ shared, torch.tensor(t, dtype=torch.float64)) for c, t in zip(case["scales"], case["targets"])])


def several(case):
    """Some steps of training with several losses: the weights or log variances after each, then the shared weights."""
    shared = torch.tensor(case["shared"], dtype=torch.float64, requires_grad=True)
    tasks = len(case["scales"])
    trained = torch.full((tasks,), float(case.get("init", 1)), requires_grad=True)
    first, path = None, []
    for _ in range(case["steps"]):
        losses = squared_errors(case, shared)
        first = losses.detach() if first is None else first
        if case["several"] == "uncertainty":
            total = (0.5 * torch.exp(-trained) * losses + trained / 2).sum()
            of_shared, of_trained = torch.autograd.grad(total, [shared, trained])
        else:
            of_shared = torch.autograd.grad((trained.detach() * losses).sum(), shared, retain_graph=True)[0]
            norms = torch.stack([torch.autograd.grad(w * l, shared, create_graph=True)[0].norm() for w, l in zip(trained, losses)])
            progress = losses.detach() / first
            target = (norms.mean() * (progress / progress.mean()) ** case["alpha"]).detach()
            of_trained = torch.autograd.grad((norms - target).abs().sum(), trained)[0]
        shared = (shared - case["rate"] * of_shared).detach().requires_grad_()
        trained = (trained - case["weightRate"] * of_trained).detach()
        if case["several"] == "grad norm":
            trained = trained * tasks / trained.sum()
        trained.requires_grad_()
        path += trained.tolist()
    return {"value": path, "gradient": shared.flatten().tolist(), "labelsGradient": None}


def answer(case):
    if "several" in case:
        return several(case)
    if "triplets" in case:
        return triplet(case)
    if "preference" in case:
        return on_preferences(case)
    if "values" in case:
        return over_values(case)
    if "loss" in case:
        return by_name(case)
    if "teacher" in case:
        return divergence(case)
    logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
    soft = case["soft"]
    labels = torch.tensor(case["labels"], dtype=torch.float64 if soft else torch.int64, requires_grad=soft)
    weight = case["weight"]
    # PyTorch keeps the classes in dimension 1; ours are last.
    rows = logits.movedim(-1, 1) if logits.dim() > 2 else logits
    targets = labels.movedim(-1, 1) if soft and logits.dim() > 2 else labels
    value = cross_entropy(
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
