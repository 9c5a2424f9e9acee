/** What a row's state means that the forward pass leaves for the backward pass. */

/**
 * The mean Σ_j p_j z'_j is kept relative to the entry that was left out where that has more than half of the probability,
 * for a mean close to it keeps its digits, and relative to the origin elsewhere.
 */
@inline
export function isMeanOfLikely(entry: f64, logOthers: f64): bool {
  return entry > logOthers;
}
