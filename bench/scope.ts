/** How much a run measures. */
import { quickShapes, type Shape, shapes } from "./batches.ts";
import { compositionShapes } from "./compositions.ts";
import type { Scope } from "./measure.ts";
import { type Options, shapeArgument } from "./options.ts";

export function scopeOf({ quick, shape }: Options): Scope {
  const isAsked = (known: Shape): boolean => shape === null || shapeArgument(known) === shapeArgument(shape);
  if (quick) {
    return {
      shapes: shape === null ? quickShapes : [shape],
      compositionShapes: shape === null ? quickShapes.slice(0, 1) : compositionShapes.filter(isAsked),
      rounds: { fewest: 1, most: 3, budgetMilliseconds: 3000 },
    };
  }
  return {
    shapes: shapes.filter(isAsked),
    compositionShapes: compositionShapes.filter(isAsked),
    rounds: { fewest: 3, most: 41, budgetMilliseconds: 8000 },
  };
}
