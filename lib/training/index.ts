/**
 * lossmith/training: what training with several losses takes beyond a compiled loss.
 *
 * @module
 */
export {
  type DynamicWeightAverage,
  type DynamicWeightAverageOptions,
  type DynamicWeightAverageState,
  dynamicWeightAverage,
} from "./several/dynamicWeightAverage.ts";
export {
  type GradNorm,
  type GradNormOptions,
  type GradNormState,
  type GradNormStepOptions,
  gradNorm,
} from "./several/gradNorm.ts";
export { type UncertaintyWeighting, uncertaintyWeighting } from "./several/uncertaintyWeighting.ts";
