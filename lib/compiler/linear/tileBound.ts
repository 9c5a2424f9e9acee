/** A block of rows as its tiles of columns see it. */
import * as tf from "@tensorflow/tfjs";
import type { DotTable } from "../../kernels/rowStatistics.ts";
import type { OfSequences } from "../batch.ts";
import { bind } from "../execute.ts";
import { keyOf } from "../narrow.ts";
import type { Plan } from "../plan.ts";
import { positions } from "../positions.ts";
import { type Bound, candidatesOf, lookUp, mapEntries, targetSumsOf } from "../state.ts";
import { type Columns, localIds } from "./columnTiles.ts";
import type { LinearRun } from "./linearRun.ts";
import { type BlockRows, rowsOfBlock } from "./rowBlocks.ts";
import { tilePlan } from "./tilePlan.ts";

/** A block as all of its tiles see it. */
export interface ReadBlock extends Pick<BlockRows, "hidden" | "wide"> {
  /** Of whole rows. */
  readonly bound: Bound;
  readonly ofSequences: OfSequences;
}

export function readBlock({ loss, plan, whole }: LinearRun, block: Int32Array | null): ReadBlock {
  const { rows, hidden, wide } = rowsOfBlock(whole, block);
  const bound = bind(loss, plan, rows, loss.variables);
  const { labelFacts } = bound;
  return {
    ...{ hidden, wide, bound },
    ofSequences: { positions: positions(rows), candidates: candidatesOf(plan, rows), labelFacts },
  };
}

/** A batch and its tables as a tile sees them. */
export function boundOfTile(plan: Plan, { bound, wide, ofSequences }: ReadBlock, columns: Columns): Bound {
  const { start, size } = columns;
  const { targets, teacher } = wide(columns);
  const tables = mapEntries(
    bound.tables,
    ({ tensor, support }): DotTable => ({
      tensor: tf.slice(tensor, [start], [size]),
      support: support?.filter((id) => id >= start && id < start + size).map((id) => id - start) ?? null,
    }),
  );
  const { labels } = bound.rows;
  return {
    ...bound,
    rows: {
      ...bound.rows,
      classes: size,
      labels: labels === null ? null : localIds(labels, columns, 0),
      targets,
      teacher,
      ofSequences: {
        ...ofSequences,
        candidates: new Map([...ofSequences.candidates].map(([of, ids]) => [of, localIds(ids, columns, -1)])),
      },
    },
    views: mapEntries(bound.views, (view) =>
      typeof view.bias === "number" ? view : { ...view, bias: tf.slice(view.bias, [start], [size]) },
    ),
    tables,
    targetSums:
      targets === null ? new Map() : targetSumsOf(tilePlan(plan), targets, (table) => lookUp(tables, keyOf(table))),
  };
}
