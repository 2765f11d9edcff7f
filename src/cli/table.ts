/** A table for the terminal: columns as wide as their widest cell, numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => align(cell, widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function align(cell: string, width: number): string {
  return /^[\d.,%-]+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
}
