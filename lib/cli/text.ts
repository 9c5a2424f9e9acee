/** Numbers and tables for people. */

/** A whole number with its digits in groups of three. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, " ");
}

/** A number of bytes: 3.2 MB. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const unit = Math.min(units.length - 1, value < 1 ? 0 : Math.floor(Math.log10(value) / 3));
  return `${unit === 0 ? value : (value / 1000 ** unit).toFixed(1)} ${units[unit]}`;
}

/** Columns side by side, under a header: the first to the left, the others to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => [...row[column]].length)));
  const padding = (cell: string, column: number): string => " ".repeat(widths[column] - [...cell].length);
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell + padding(cell, column) : padding(cell, column) + cell))
      .join("  ")
      .trimEnd();
  return [line(header), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}
