/** That the numbers which docs/migrating.md says PyTorch prints are what its Python prints. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { hasTorch, torchPython } from "./support/torch.ts";

const text = readFileSync(new URL("../docs/migrating.md", import.meta.url), "utf8");
const blocks = [...text.matchAll(/^```(python|ts)\n(.*?)^```/gms)].map(([, language, code]) => ({ language, code }));

/** Each Python block and the TypeScript that follows it. */
const pairs = blocks.flatMap((block, i) =>
  block.language === "python" ? [{ python: block.code, typescript: blocks[i + 1].code }] : [],
);
const torchPairs = pairs.filter(({ python }) => python.includes("import torch"));
const optaxPairs = pairs.filter(({ python }) => python.includes("optax"));

/** The array of numbers after a comment. */
function numbersAfter(comment: string, code: string): number[] {
  const after = code.slice(code.indexOf(comment) + comment.length);
  const [, list] = /\[([-\d.,\s]+)\]/.exec(code.includes(comment) ? after : "") ?? [];
  if (list === undefined) throw new Error(`no numbers after "${comment}"`);
  return list
    .split(",")
    .filter((number) => number.trim() !== "")
    .map(Number);
}

/** The numbers that each script prints, all of them in one process: PyTorch takes seconds to load. */
function runPython(scripts: readonly string[]): number[][] {
  if (torchPython === null) throw new Error("PyTorch is not installed: apt-get install python3-torch");
  const code = scripts.join('\nprint("end of script")\n');
  const { status, stdout, stderr } = spawnSync(torchPython, ["-c", code], { encoding: "utf8" });
  if (status !== 0) throw new Error(`Python failed: ${stderr}`);
  return stdout.split("end of script").map((printed) => printed.trim().split(/\s+/).map(Number));
}

/** Equal up to the rounding of float32 in twenty steps. */
function expectNumbers(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((number, i) => void expect(Math.abs(number - expected[i])).toBeLessThanOrEqual(1e-5));
}

/** docs/migrating.md's steps with optax, with optax's and Adam's formulas written out, in float64. */
const optaxInTorch = `
import math, torch
import torch.nn.functional as F

x = torch.tensor([[1, 2, 3], [2, 4, 0]])
labels = torch.tensor([[2, 3, 5], [4, 1, -100]])
weight = torch.tensor([0.5, 1, 1, 2, 1, 3], dtype=torch.float64)
start = torch.arange(24, dtype=torch.float64).sin().reshape(6, 4)
valid = labels != -100
targets = 0.9 * F.one_hot(labels * valid, 6) + 0.1 / 6
weights = weight[labels * valid] * valid
params = [start, start]
first, second = [0, 0], [0, 0]
losses = []
for t in range(20):
    embedding, kernel = params = [p.detach().requires_grad_() for p in params]
    rows = -(targets * F.log_softmax(embedding[x] @ kernel.T, -1)).sum(-1)
    loss = (weights * rows).sum() / weights.sum()
    losses.append(loss.item())
    grads = torch.autograd.grad(loss, params)
    norm = sum((g * g).sum() for g in grads).sqrt()
    grads = [g if norm < 0.5 else g / norm * 0.5 for g in grads]
    rate = 0.005 + 0.045 * t / 5 if t < 5 else 0.025 * (1 + math.cos(math.pi * (t - 5) / 15))
    first = [0.9 * m + 0.1 * g for m, g in zip(first, grads)]
    second = [0.999 * v + 0.001 * g * g for v, g in zip(second, grads)]
    corrected = [(m / (1 - 0.9 ** (t + 1)), v / (1 - 0.999 ** (t + 1))) for m, v in zip(first, second)]
    params = [p - rate * m / (v.sqrt() + 1e-8) for p, (m, v) in zip(params, corrected)]
print(losses[0], losses[9], losses[19])
`;

(hasTorch() ? test : test.skip)("docs/migrating.md says what its PyTorch and the formulas of its optax give", () => {
  expect([torchPairs.length, optaxPairs.length]).toEqual([3, 1]);
  const printed = runPython([...torchPairs.map(({ python }) => python), optaxInTorch]);
  const stated = [
    ...torchPairs.map(({ typescript }) => numbersAfter("// What PyTorch prints", typescript)),
    numbersAfter("// The same steps written out in PyTorch and float64", optaxPairs[0].typescript),
  ];
  expect(printed.length).toBe(stated.length);
  stated.forEach((numbers, i) => {
    expectNumbers(numbers, printed[i]);
  });
});
