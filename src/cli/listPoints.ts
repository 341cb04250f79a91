import { formatBytes } from '../domain/format.js';
import { printable } from '../domain/printable.js';
import type { ListedPoint } from '../destinations/listedPoint.js';
import { EXIT, Output } from './output.js';
import { storedBackupsBelow } from './storedBackups.js';

const COLUMNS = ['VM', 'point in time', 'kind', 'consistency', 'size', 'host', 'directory'];

/** Lists restore points; what cannot be restored as it is makes the exit code `partial`. */
export async function listPoints(directories: readonly string[], json: boolean): Promise<void> {
  const points = await storedBackupsBelow(directories);
  const output = new Output(json);
  if (json) for (const point of points) output.result(point, []);
  else for (const line of linesOf(points)) output.say(line);
  if (points.some(({ state }) => state === 'damaged')) process.exitCode = EXIT.partial;
}

function linesOf(points: readonly ListedPoint[]): readonly string[] {
  const rows = points.flatMap((point) => (point.state === 'whole' ? [cellsOf(point)] : []));
  const others = points.flatMap((point) =>
    point.state === 'whole' ? [] : [`${point.state}: ${printable(point.directory)}: ${printable(point.why)}`],
  );
  const kept = points.flatMap((point) =>
    point.state === 'whole' && point.protected !== undefined
      ? [`protected: ${printable(point.directory)}: ${printable(point.protected)}`]
      : [],
  );
  if (rows.length === 0) return [...others, ...(others.length === 0 ? ['no backup is there'] : [])];
  const table = [COLUMNS, ...rows];
  const widths = COLUMNS.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  '),
  );
  return [...lines, ...kept, ...others];
}

function cellsOf(point: ListedPoint & { state: 'whole' }): readonly string[] {
  const { vm, pointInTime, kind, consistency, sizeBytes, host, directory } = point;
  return [vm, pointInTime.slice(0, 19), kind, consistency, formatBytes(sizeBytes), host, directory].map(
    printable,
  );
}
