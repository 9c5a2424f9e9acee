/** Tables of text, for the terminal and for Markdown, in aligned columns: the first to the left, the rest to the right. */

/** Rows of cells under a header; the first column names the rows. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A table and what it shows. */
export interface TitledTable {
  readonly title: string;
  readonly table: Table;
}

/** A titled table for a terminal. */
export function renderTitledText({ title, table }: TitledTable): string {
  return `\n${title}\n\n${renderText(table)}`;
}

/** The table for a terminal. */
export function renderText(table: Table): string {
  const [header, ...rows] = padded(table);
  const rule = header.map((cell) => "─".repeat(cell.length));
  return [header, rule, ...rows].map((row) => row.join("  ")).join("\n");
}

/** The table in Markdown. */
export function renderMarkdown(table: Table): string {
  const [header, ...rows] = padded(table);
  const rule = header.map((cell, column) =>
    column === 0 ? "-".repeat(cell.length) : `${"-".repeat(cell.length - 1)}:`,
  );
  return [header, rule, ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function padded({ header, rows }: Table): readonly (readonly string[])[] {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(3, ...lines.map((line) => line[column].length)));
  return lines.map((line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))),
  );
}

/** A number with three digits that count; a dash where there is none. */
export function threeDigits(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return value >= 100 ? grouped(Math.round(value)) : value.toPrecision(3);
}

/** A whole number with its digits in groups of three. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, " ");
}
