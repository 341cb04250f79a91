import type { Range } from '../domain/extents.js';
import { CLUSTER_BYTES, layOut } from './qcow2Layout.js';

/** A part of a block that is read from the disk. */
export interface Piece {
  /** Of the disk. */
  readonly offset: number;
  /** Of the block. */
  readonly at: number;
  readonly length: number;
}

/** The next block of a file: how long it is, and what it is filled with; what no piece fills is zero. */
export interface PlannedBlock {
  readonly lengthBytes: number;
  readonly pieces: readonly Piece[];
  /** Writes what is not read from the disk. */
  readonly fill?: (block: Buffer) => void;
}

/** The disk itself, from a byte on. */
export function* rawPlan(sizeBytes: number, blockBytes: number): Generator<PlannedBlock, void> {
  for (let offset = 0; offset < sizeBytes; offset += blockBytes) {
    const length = Math.min(blockBytes, sizeBytes - offset);
    yield { lengthBytes: length, pieces: [{ offset, at: 0, length }] };
  }
}

/**
 * A qcow2 image of the disk: its tables, then the clusters that hold data.
 *
 * @param fromBytes of the image, whole clusters: what an earlier attempt wrote
 */
export function* qcow2Plan(
  capacityBytes: number,
  data: readonly Range[],
  blockBytes: number,
  fromBytes: number,
): Generator<PlannedBlock, void> {
  const layout = layOut(capacityBytes, data);
  yield* tableBlocks(layout.tables(Math.min(fromBytes, layout.dataOffset)), blockBytes);
  yield* dataBlocks(capacityBytes, data, blockBytes, Math.max(0, fromBytes - layout.dataOffset));
}

function* tableBlocks(tables: Iterable<Buffer>, blockBytes: number): Generator<PlannedBlock, void> {
  let clusters: Buffer[] = [];
  const block = (): PlannedBlock => {
    const filled = clusters;
    clusters = [];
    return {
      lengthBytes: filled.length * CLUSTER_BYTES,
      pieces: [],
      fill: (target) => {
        for (const [index, cluster] of filled.entries()) target.set(cluster, index * CLUSTER_BYTES);
      },
    };
  };
  for (const cluster of tables) {
    clusters.push(cluster);
    if (clusters.length * CLUSTER_BYTES === blockBytes) yield block();
  }
  if (clusters.length > 0) yield block();
}

function* dataBlocks(
  capacityBytes: number,
  data: readonly Range[],
  blockBytes: number,
  skipBytes: number,
): Generator<PlannedBlock, void> {
  let skip = skipBytes;
  let pieces: Piece[] = [];
  let filled = 0;
  const block = (): PlannedBlock => {
    const planned = { lengthBytes: filled, pieces };
    pieces = [];
    filled = 0;
    return planned;
  };
  for (const { from, to } of data) {
    const skipped = Math.min(skip, to - from);
    skip -= skipped;
    for (let offset = from + skipped; offset < to;) {
      const taken = Math.min(to - offset, blockBytes - filled);
      // The last cluster may reach behind the disk's end.
      const length = Math.min(taken, capacityBytes - offset);
      if (length > 0) pieces.push({ offset, at: filled, length });
      filled += taken;
      offset += taken;
      if (filled === blockBytes) yield block();
    }
  }
  if (filled > 0) yield block();
}
