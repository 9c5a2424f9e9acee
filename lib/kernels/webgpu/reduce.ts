/**
 * Folds what the invocations of a row have found, such that each of them knows the result. The base path goes through the
 * memory of the workgroup alone. Where the device has subgroups and a row has a workgroup to itself, each subgroup folds
 * first, and then its leader speaks for it: which invocations make a subgroup, and how many there are, may be anything.
 */
import { workgroupSize } from "./program.ts";

/** How the lanes of a row fold. */
export interface Folding {
  /** How many there are: a power of two. */
  readonly lanes: number;
  readonly subgroups: boolean;
}

/** A variable of the shader. */
export interface Reduced {
  readonly name: string;
  /** A precise sum is of finite numbers, and keeps what a float32 sum of a large number and many small ones loses. */
  readonly by: "sum" | "precise sum" | "or" | "max";
  /** Of a "max": the variable with its position; of equal ones the first is taken. */
  readonly position?: string;
}

/** How many values are folded at a time: 12 KB of the 16 KB that every device has. */
const valuesAtATime = 12;

/** The lanes that fold first, and then what they have found. */
const folding = 16;

/** Added to the end of a loop, so that drivers do not unroll it, which made them compile five times longer. */
const nothing = "i32(uniforms.zero)";

/** Where a word is. */
type Cell = (word: number) => string;

interface Slot {
  readonly store: (to: Cell) => string;
  readonly load: (from: Cell) => string;
  /** Folds in what lies there. */
  readonly take: (from: Cell) => string;
  /** Before values are taken, and after. */
  readonly begin: string;
  readonly end: string;
}

/** Declares the memory to fold so many values at most. */
export function declareReduction({ lanes, subgroups }: Folding, ...rounds: readonly (readonly Reduced[])[]): string {
  const slots = Math.min(Math.max(...rounds.map(wordsOf)), valuesAtATime);
  if (lanes === 1 || slots === 0) return "";
  return `
var<workgroup> pool : array<u32, ${slots * workgroupSize}>;
var<workgroup> outcome : array<u32, ${slots}>;
${subgroups ? `var<workgroup> leaders : array<atomic<u32>, ${leaderWords}>;` : ""}`;
}

/** A bit for each invocation of a workgroup. */
const leaderWords = workgroupSize / 32;

/** Declares the place of an invocation, and with subgroups notes which of them lead one. */
export function declareSlot({ subgroups }: Folding): string {
  const leader = `
  let isLeader = subgroupElect();
  if (isLeader) {
    atomicOr(&leaders[localId.x / 32u], 1u << (localId.x % 32u));
  }`;
  return `
  let slot = i32(localId.x);
  let rowSlot = slot - lane;
  ${subgroups ? leader : ""}`;
}

function wordsOf(values: readonly Reduced[]): number {
  return values.reduce((sum, { position }) => sum + (position === undefined ? 1 : 2), 0);
}

/**
 * WGSL that leaves in each variable the fold over all lanes of the row. It holds barriers, so that every invocation must
 * come to it.
 */
export function reduction(values: readonly Reduced[], { lanes, subgroups }: Folding): string {
  if (lanes === 1 || values.length === 0) return "";
  const rounds: Reduced[][] = [[]];
  for (const value of values) {
    const last = rounds[rounds.length - 1];
    if (wordsOf([...last, value]) > valuesAtATime) rounds.push([value]);
    else last.push(value);
  }
  return rounds.map((round) => (subgroups ? subgroupRound(round) : reductionRound(round, lanes))).join("\n");
}

function slotsOf(values: readonly Reduced[]): readonly Slot[] {
  let word = 0;
  return values.map((value): Slot => {
    const first = word;
    word += value.position === undefined ? 1 : 2;
    return slotOf(value, first);
  });
}

/** A word of the invocation that has this index. */
function poolOf(index: string): Cell {
  return (word) => `pool[${workgroupSize * word} + ${index}]`;
}

function reductionRound(values: readonly Reduced[], lanes: number): string {
  const slots = slotsOf(values);
  const all = (f: (slot: Slot) => string): string => slots.map(f).join("\n");
  const own = poolOf("slot");
  const folded = Math.min(lanes, folding);
  // Of a row that has the workgroup to itself the outcome lies apart: whoever is slow to read it may be overtaken by a next
  // fold, and one barrier less is needed.
  const isApart = lanes === workgroupSize;
  const outcome: Cell = isApart ? (word) => `outcome[${word}]` : poolOf("rowSlot");
  const first = `
    if (lane < ${folding}) {
      ${all(({ begin }) => begin)}
      for (var k = ${folding}; k < ${lanes} + ${nothing}; k += ${folding}) {
        ${all(({ take }) => take(poolOf("slot + k")))}
      }
      ${all(({ end, store }) => `${end} ${store(own)}`)}
    }
    workgroupBarrier();`;
  return `
  ${isApart ? "" : "workgroupBarrier();"}
  ${all(({ store }) => store(own))}
  workgroupBarrier();
  ${lanes > folding ? first : ""}
  if (lane == 0) {
    ${all(({ begin }) => begin)}
    for (var k = 1; k < ${folded} + ${nothing}; k++) {
      ${all(({ take }) => take(poolOf("slot + k")))}
    }
    ${all(({ end, store }) => `${end} ${store(outcome)}`)}
  }
  workgroupBarrier();
  ${all(({ load }) => load(outcome))}`;
}

/** Each subgroup by itself, and then all invocations what the leaders have stored, in the same order. */
function subgroupRound(values: readonly Reduced[]): string {
  const slots = slotsOf(values);
  return `
  ${values.map(subgroupFold).join("\n")}
  workgroupBarrier();
  if (isLeader) {
    ${slots.map(({ store }) => store(poolOf("slot"))).join("\n")}
  }
  workgroupBarrier();
  {
    ${values.map(({ name, by }) => `${name} = ${nothingOf(by)};`).join("\n")}
    ${slots.map(({ begin }) => begin).join("\n")}
    for (var word = 0; word < ${leaderWords}; word++) {
      for (var bits = atomicLoad(&leaders[word]); bits != 0u; bits &= bits - 1u) {
        let k = 32 * word + i32(firstTrailingBit(bits));
        ${slots.map(({ take }) => take(poolOf("k"))).join("\n")}
      }
    }
    ${slots.map(({ end }) => end).join("\n")}
  }`;
}

/** What changes nothing that it is folded with. */
function nothingOf(by: Reduced["by"]): string {
  return by === "or" ? "0u" : by === "max" ? "-3.4e38" : "0.0";
}

function subgroupFold({ name, by, position }: Reduced): string {
  if (by === "or") return `${name} = subgroupOr(${name});`;
  if (by !== "max") return `${name} = subgroupAdd(${name});`;
  if (position === undefined) return `${name} = subgroupMax(${name});`;
  return `{
    let highest = subgroupMax(${name});
    ${position} = subgroupMin(select(0x7fffffff, ${position}, ${name} == highest));
    ${name} = highest;
  }`;
}

function slotOf({ name, by, position }: Reduced, word: number): Slot {
  const float = (cell: Cell): string => `bitcast<f32>(${cell(word)})`;
  const plain = { begin: "", end: "" };
  if (by === "or") {
    return {
      ...plain,
      store: (to) => `${to(word)} = ${name};`,
      load: (from) => `${name} = ${from(word)};`,
      take: (from) => `${name} |= ${from(word)};`,
    };
  }
  const ofFloat = {
    ...plain,
    store: (to: Cell) => `${to(word)} = bitcast<u32>(${name});`,
    load: (from: Cell) => `${name} = ${float(from)};`,
  };
  if (by === "precise sum") {
    return {
      ...ofFloat,
      take: (from) => `{
          let sum = sumOf(${name}, ${float(from)});
          ${name} = sum.x;
          ${name}Rest += sum.y;
        }`,
      begin: `var ${name}Rest = 0.0;`,
      end: `${name} += ${name}Rest;`,
    };
  }
  if (by === "sum") return { ...ofFloat, take: (from) => `${name} += ${float(from)};` };
  if (position === undefined) return { ...ofFloat, take: (from) => `${name} = max(${name}, ${float(from)});` };
  const at = (cell: Cell): string => `i32(${cell(word + 1)})`;
  return {
    ...plain,
    store: (to) => `${to(word)} = bitcast<u32>(${name}); ${to(word + 1)} = u32(${position});`,
    load: (from) => `${name} = ${float(from)}; ${position} = ${at(from)};`,
    take: (from) => `
      if (${float(from)} > ${name} || (${float(from)} == ${name} && ${at(from)} < ${position})) {
        ${name} = ${float(from)};
        ${position} = ${at(from)};
      }`,
  };
}
