/** What binary losses are made of: decisions column by column. */
import { LossError } from "../loss/error.ts";
import { add, constant, isConstant, max, multiply, select, subtract, unary, weigh } from "../loss/expression.ts";
import type { ColumnExpression } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { epsilon, prediction, target } from "../loss/values.ts";

/** What predictions of a binary loss are: numbers whose sigmoid is the probability, or probabilities. */
export type BinaryForm = "logits" | "probabilities";

/** The parts of a binary loss in a column. */
export interface Binary {
  /** The smoothed target. */
  readonly target: ColumnExpression;
  readonly crossEntropy: ColumnExpression;
  /** The probability of what is not the target, 1 − pt. */
  readonly missed: ColumnExpression;
}

interface BinaryOptions {
  readonly from: BinaryForm;
  readonly labelSmoothing?: Numeric;
}

/** The parts for the options of the loss `name`. */
export function binary(name: string, options: BinaryOptions): Binary {
  const remedy = 'Give { from: "logits" } or { from: "probabilities" }';
  if (typeof options !== "object" || options === null) throw new LossError(name, `got ${String(options)}`, remedy);
  const { from } = options;
  if (from !== "logits" && from !== "probabilities") {
    throw new LossError(`${name}({ from })`, `got ${JSON.stringify(from)}`, remedy);
  }
  const smoothing = lift(options.labelSmoothing ?? 0, `${name}({ labelSmoothing })`, { lowest: 0, highest: 1 });
  const t = smoothed(smoothing);
  const { yes, no, costOfYes, costOfNo } = from === "logits" ? fromLogits : fromProbabilities;
  const mixed = (whenYes: ColumnExpression, whenNo: ColumnExpression): ColumnExpression =>
    add(weigh(t, whenYes), weigh(not(t), whenNo));
  return { target: t, crossEntropy: mixed(costOfYes, costOfNo), missed: mixed(no, yes) };
}

function smoothed(share: ColumnExpression): ColumnExpression {
  if (isConstant(share, 0)) return target;
  return add(multiply(not(share), target), multiply(constant(0.5), share));
}

function not(x: ColumnExpression): ColumnExpression {
  return subtract(constant(1), x);
}

/** The probabilities of both answers, and what each costs where it is right. */
interface Answers {
  readonly yes: ColumnExpression;
  readonly no: ColumnExpression;
  readonly costOfYes: ColumnExpression;
  readonly costOfNo: ColumnExpression;
}

/**
 * −log p for a probability p, which is taken for one in [1e−7, 1 − 1e−7], given 1 − p. Above ½ it is formed from 1 − p:
 * float32 has no number near 1 − 1e−7, nor the digits of a small −log p.
 */
function minusLog(p: ColumnExpression, rest: ColumnExpression): ColumnExpression {
  const zero = constant(0);
  return select(
    p,
    constant(0.5),
    subtract(zero, unary("log", max(p, constant(epsilon)))),
    subtract(zero, unary("log1p", subtract(zero, max(rest, constant(epsilon))))),
  );
}

const negated = subtract(constant(0), prediction);
const complement = not(prediction);

const fromLogits: Answers = {
  yes: unary("sigmoid", prediction),
  no: unary("sigmoid", negated),
  costOfYes: unary("softplus", negated),
  costOfNo: unary("softplus", prediction),
};

const fromProbabilities: Answers = {
  yes: prediction,
  no: complement,
  costOfYes: minusLog(prediction, complement),
  costOfNo: minusLog(complement, prediction),
};
