import { constant, min, subtract, unary } from "../loss/expression.ts";
import type { ClassExpression } from "../loss/loss.ts";
import { logOdds } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/** −log max(1 − p_c, clamp): by the log-odds, so that 1 − p keeps its digits where p is near 0 and near 1. */
export function penaltyOfLikelihood(clamp: Numeric, where: string): ClassExpression {
  const lowest: ClassExpression = lift(clamp, where, { lowest: 0, highest: 1 });
  return min(subtract(constant(0), unary("log", lowest)), unary("softplus", logOdds));
}
