"""Times PyTorch's cross entropy on one thread, one call for each line on stdin.

"batch N V" is followed by N·V float32 logits and N int32 labels, and answered with the version of PyTorch. "forward" and
"forwardAndBackward" run one call and are answered with the milliseconds that it took, the loss and the gradient of the
first row's logit at its label.
"""

import json
import sys
import time

import torch
from torch.nn.functional import cross_entropy

torch.set_num_threads(1)


def answer(**fields):
    print(json.dumps(fields), flush=True)


def read_array(dtype, count):
    size = torch.tensor([], dtype=dtype).element_size()
    return torch.frombuffer(bytearray(sys.stdin.buffer.read(size * count)), dtype=dtype)


def forward(logits, labels):
    with torch.no_grad():
        start = time.perf_counter()
        value = cross_entropy(logits, labels).item()
        seconds = time.perf_counter() - start
    answer(milliseconds=1000 * seconds, value=value, gradientEntry=None)


def forward_and_backward(logits, labels):
    logits.grad = None
    start = time.perf_counter()
    loss = cross_entropy(logits, labels)
    loss.backward()
    seconds = time.perf_counter() - start
    answer(milliseconds=1000 * seconds, value=loss.item(), gradientEntry=logits.grad[0, labels[0]].item())


logits = labels = None
while line := sys.stdin.buffer.readline():
    request, *shape = line.decode().split()
    if request == "batch":
        rows, classes = map(int, shape)
        logits = read_array(torch.float32, rows * classes).reshape(rows, classes).requires_grad_()
        # PyTorch takes 64-bit labels; making them so is not timed.
        labels = read_array(torch.int32, rows).long()
        answer(version=torch.__version__)
    elif request == "forward":
        forward(logits, labels)
    else:
        forward_and_backward(logits, labels)
