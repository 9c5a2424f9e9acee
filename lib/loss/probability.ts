/** What modulators read of the logits, as expressions that keep their digits for confident rows. */
import { atom, constant, subtract, unary } from "./expression.ts";
import type { ClassExpression } from "./loss.ts";
import type { Schedule } from "./schedule.ts";
import { plainView } from "./view.ts";
import { checkWholeRow } from "./wholeRow.ts";

/** −log p_c. */
export const nll: ClassExpression = atom({ kind: "nll", view: plainView });

/** log(p_c / (1 − p_c)). */
export const logOdds: ClassExpression = atom({ kind: "logOdds", view: plainView });

/** p_c = softmax(z)_c. */
export const probability: ClassExpression = unary("sigmoid", logOdds);

/** p_c again, from nll alone: a loss that reads nothing else costs what cross entropy does. */
export const likelihood: ClassExpression = unary("exp", subtract(constant(0), nll));

/** 1 − p_c. */
export const complement: ClassExpression = unary("sigmoid", subtract(constant(0), logOdds));

/** log Σ_j exp(z_j). */
export const logsumexp: ClassExpression = atom({ kind: "logsumexp", view: plainView });

/** The entropy of softmax(z), in nats. */
export const entropy: ClassExpression = atom({ kind: "entropy", view: plainView });

/** Entmax's Ω*(z) less logsumexp(z), so that nll + it is the entmax loss; alpha in (1, 2]. */
export function entmaxExcess(alpha: Schedule): ClassExpression {
  return atom({ kind: "wholeRow", of: checkWholeRow({ kind: "entmax", alpha }), view: plainView });
}

/** The entropy, in nats, of the softmax of the k highest logits alone. */
export function topEntropy(k: number): ClassExpression {
  return atom({ kind: "wholeRow", of: checkWholeRow({ kind: "topEntropy", k }), view: plainView });
}
