import { constant, divide, min, multiply, pow, select, stopGradient, subtract, unary } from "../loss/expression.ts";
import { type ColumnExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { overColumns, prediction, target } from "../loss/values.ts";

/** The largest size in the row. It only scales: the cosine does not depend on it, so that it needs no gradient. */
const sizeOf = (x: ColumnExpression): ReturnType<typeof overColumns> =>
  stopGradient(overColumns("max", unary("abs", x)));

const sizes = { prediction: sizeOf(prediction), target: sizeOf(target) };
const p = divide(prediction, sizes.prediction);
const t = divide(target, sizes.target);
const square = (x: ColumnExpression): ReturnType<typeof overColumns> => overColumns("sum", multiply(x, x));
const lengths = pow(multiply(square(p), square(t)), constant(0.5));
const smaller = min(sizes.prediction, sizes.target);

/**
 * The cosine of the angle between predictions and targets, with the sign turned: −1 where they point the same way, 1
 * where they point in opposite ones. Add 1 for the cosine distance.
 *
 * Formula, for a row: −Σ prediction · target / (‖prediction‖ ‖target‖), with Euclidean lengths, for any length. A row
 * of zeros has the value 0 and no gradient.
 * Shapes: predictions and targets [..., D].
 *
 * Source: as in Keras 3 (`CosineSimilarity`), which takes lengths for at least 1e−7. PyTorch's `CosineEmbeddingLoss`
 * for pairs that belong together is 1 plus this.
 *
 * @example
 * ```ts
 * import { cosineSimilarity, evaluate, perToken, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[1, 0], [1, 1], [-1, -1]], targets: [[0, 1], [1, 1], [1, 1]] };
 * const [across, along, against] = evaluate(pipe(cosineSimilarity, perToken), batch) as number[];
 * expect(across).toBeCloseTo(0, 12);
 * expect(along).toBeCloseTo(-1, 12);
 * expect(against).toBeCloseTo(1, 12);
 * ```
 */
export const cosineSimilarity: Loss<"values", "without a weight field"> = lossOfValues(
  select(constant(0), smaller, subtract(constant(0), divide(overColumns("sum", multiply(p, t)), lengths)), smaller),
);
