/** Folds what the invocations of a row have found, such that each of them knows the result. */
import { workgroupSize } from "./program.ts";

/** A variable of the shader. */
export interface Reduced {
  readonly name: string;
  readonly by: "sum" | "or" | "max";
  /** Of a "max": the variable with its position; of equal ones the first is taken. */
  readonly position?: string;
}

/** How many values are folded at a time: 12 KB of the 16 KB that every device has. */
const valuesAtATime = 12;

/** The lanes that fold first, and then what they have found. */
const folding = 16;

/** Added to the end of a loop, so that drivers do not unroll it, which made them compile five times longer. */
const nothing = "i32(uniforms.zero)";

interface Slot {
  readonly store: string;
  readonly load: (index: string) => string;
  readonly take: (index: string) => string;
}

export function declareReduction(values: number): string {
  const slots = Math.min(values, valuesAtATime);
  return slots === 0 ? "" : `var<workgroup> pool : array<u32, ${slots * workgroupSize}>;`;
}

export function wordsOf(values: readonly Reduced[]): number {
  return values.reduce((sum, { position }) => sum + (position === undefined ? 1 : 2), 0);
}

/**
 * WGSL that leaves in each variable the fold over all lanes of the row. It holds barriers, so that every invocation must
 * come to it.
 */
export function reduction(values: readonly Reduced[], lanes: number): string {
  if (lanes === 1 || values.length === 0) return "";
  const rounds: Reduced[][] = [[]];
  for (const value of values) {
    const last = rounds[rounds.length - 1];
    if (wordsOf([...last, value]) > valuesAtATime) rounds.push([value]);
    else last.push(value);
  }
  return rounds.map((round) => reductionRound(round, lanes)).join("\n");
}

function reductionRound(values: readonly Reduced[], lanes: number): string {
  let word = 0;
  const slots = values.map((value): Slot => {
    const place = workgroupSize * word;
    word += value.position === undefined ? 1 : 2;
    return slotOf(value, place);
  });
  const all = (f: (slot: Slot) => string): string => slots.map(f).join("\n");
  const folded = Math.min(lanes, folding);
  const first = `
    if (lane < ${folding}) {
      for (var k = ${folding}; k < ${lanes} + ${nothing}; k += ${folding}) {
        ${all(({ take }) => take("slot + k"))}
      }
      ${all(({ store }) => store)}
    }
    workgroupBarrier();`;
  const second = `
    if (lane == 0) {
      for (var k = 1; k < ${folded} + ${nothing}; k++) {
        ${all(({ take }) => take("slot + k"))}
      }
      ${all(({ store }) => store)}
    }
    workgroupBarrier();`;
  return `
  workgroupBarrier();
  ${all(({ store }) => store)}
  workgroupBarrier();
  ${lanes > folding ? first : ""}
  ${second}
  ${all(({ load }) => load("rowSlot"))}`;
}

function slotOf({ name, by, position }: Reduced, place: number): Slot {
  const word = (index: string): string => `pool[${place} + ${index}]`;
  const float = (index: string): string => `bitcast<f32>(${word(index)})`;
  if (by === "or") {
    return {
      store: `${word("slot")} = ${name};`,
      load: (index) => `${name} = ${word(index)};`,
      take: (index) => `${name} |= ${word(index)};`,
    };
  }
  if (by === "sum" || position === undefined) {
    return {
      store: `${word("slot")} = bitcast<u32>(${name});`,
      load: (index) => `${name} = ${float(index)};`,
      take: (index) => (by === "sum" ? `${name} += ${float(index)};` : `${name} = max(${name}, ${float(index)});`),
    };
  }
  const at = (index: string): string => `i32(pool[${place + workgroupSize} + ${index}])`;
  return {
    store: `${word("slot")} = bitcast<u32>(${name}); pool[${place + workgroupSize} + slot] = u32(${position});`,
    load: (index) => `${name} = ${float(index)}; ${position} = ${at(index)};`,
    take: (index) => `
      if (${float(index)} > ${name} || (${float(index)} == ${name} && ${at(index)} < ${position})) {
        ${name} = ${float(index)};
        ${position} = ${at(index)};
      }`,
  };
}
