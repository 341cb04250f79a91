/** A run of bytes of a disk: data, or zeros that need not be read. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly kind: 'data' | 'zero';
}

/** Half-open range of bytes. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * The ranges that hold data, widened to whole clusters, joined where they touch, in ascending order. What an extent list does not
 * name is taken for data: reading zeros costs time, leaving data out costs the disk.
 */
export function dataClusters(
  extents: readonly Extent[],
  capacityBytes: number,
  clusterBytes: number,
): readonly Range[] {
  const zeros = extents
    .filter(({ kind, length }) => kind === 'zero' && length > 0)
    .map(({ offset, length }) => ({ from: offset, to: offset + length }))
    .sort((a, b) => a.from - b.from);
  const end = Math.ceil(capacityBytes / clusterBytes) * clusterBytes;
  const data: Range[] = [];
  const add = (from: number, to: number): void => {
    const start = Math.floor(from / clusterBytes) * clusterBytes;
    const stop = Math.min(end, Math.ceil(to / clusterBytes) * clusterBytes);
    const last = data.at(-1);
    if (last !== undefined && start <= last.to)
      data[data.length - 1] = { from: last.from, to: Math.max(last.to, stop) };
    else data.push({ from: start, to: stop });
  };
  let at = 0;
  for (const zero of zeros) {
    if (zero.from > at) add(at, Math.min(zero.from, capacityBytes));
    at = Math.max(at, zero.to);
    if (at >= capacityBytes) break;
  }
  if (at < capacityBytes) add(at, capacityBytes);
  return data;
}
