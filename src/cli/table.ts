/** Lines of columns; the last may be of any width. */
export function formatTable(
  headings: readonly string[],
  lines: readonly (readonly string[])[],
): readonly string[] {
  const all = [headings, ...lines];
  const widths = headings.map((_, column) =>
    all.reduce((widest, cells) => Math.max(widest, cells[column]?.length ?? 0), 0),
  );
  return all.map((cells) =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  '),
  );
}
