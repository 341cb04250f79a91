import type { Range } from '../domain/extents.js';

/*
 * The layout of a qcow2 image (version 3, QEMU's docs/interop/qcow2.txt) that can be written from front to back in one pass: header,
 * refcounts, L1, L2 and then the data clusters in the order of the disk. What is written is hashed on the way and can be gone on
 * with at any byte, which no program that writes qcow2 can: they come back to their tables.
 *
 * No library on npm writes it so: @xen-orchestra/qcow2 is under the AGPL.
 */

export const CLUSTER_BYTES = 64 * 1024;
const CLUSTER_BITS = 16;
const L2_ENTRIES = CLUSTER_BYTES / 8;
/** Refcounts of 16 bits. */
const REFCOUNT_ORDER = 4;
const REFCOUNTS = CLUSTER_BYTES / 2;
/** The cluster has a refcount of exactly one: it may be written in place. */
const COPIED = 1n << 63n;
const HEADER_BYTES = 104;

export interface Qcow2Layout {
  /** Of the whole file. */
  readonly sizeBytes: number;
  /** Where the data clusters begin, one behind the other; before it lie the tables. */
  readonly dataOffset: number;
  /** The tables, cluster by cluster, from that byte on (a multiple of {@link CLUSTER_BYTES}). */
  tables(fromBytes?: number): Generator<Buffer, void>;
}

/** @param data whole clusters, ascending, not touching: {@link Range}s of the disk */
export function layOut(capacityBytes: number, data: readonly Range[]): Qcow2Layout {
  const diskClusters = Math.ceil(capacityBytes / CLUSTER_BYTES);
  const dataCount = data.reduce((sum, { from, to }) => sum + (to - from) / CLUSTER_BYTES, 0);
  const l2Count = Math.ceil(diskClusters / L2_ENTRIES);
  const usedL2 = tablesOf(data);
  const l1Clusters = Math.max(1, Math.ceil((l2Count * 8) / CLUSTER_BYTES));
  const fixed = 1 + l1Clusters + usedL2.length;
  const refcounts = refcountClusters(fixed + dataCount);
  const place = {
    refcountTable: 1,
    refcountBlocks: 1 + refcounts.table,
    l1: 1 + refcounts.table + refcounts.blocks,
    l2: 1 + refcounts.table + refcounts.blocks + l1Clusters,
  };
  const dataCluster = place.l2 + usedL2.length;
  const clusters = dataCluster + dataCount;

  const clusterAt = (index: number): Buffer => {
    const cluster = Buffer.alloc(CLUSTER_BYTES);
    if (index === 0)
      writeHeader(cluster, { capacityBytes, l1Size: l2Count, l1: place.l1, refcounts: refcounts.table });
    else if (index < place.refcountBlocks)
      writePointers(cluster, index - place.refcountTable, refcounts.blocks, place.refcountBlocks, 0n);
    else if (index < place.l1) writeRefcounts(cluster, index - place.refcountBlocks, clusters);
    else if (index < place.l2) writeL1(cluster, index - place.l1, usedL2, place.l2);
    else writeL2(cluster, usedL2[index - place.l2] ?? 0, data, dataCluster);
    return cluster;
  };

  return {
    sizeBytes: clusters * CLUSTER_BYTES,
    dataOffset: dataCluster * CLUSTER_BYTES,
    *tables(fromBytes = 0) {
      for (let index = fromBytes / CLUSTER_BYTES; index < dataCluster; index++) yield clusterAt(index);
    },
  };
}

/** Which L2 tables are needed, ascending: those of ranges that hold data. */
function tablesOf(data: readonly Range[]): readonly number[] {
  const used: number[] = [];
  const span = L2_ENTRIES * CLUSTER_BYTES;
  for (const { from, to } of data) {
    for (let table = Math.floor(from / span); table * span < to; table++)
      if (used.at(-1) !== table) used.push(table);
  }
  return used;
}

/** Refcount blocks count themselves and their table too: grown until they suffice. */
function refcountClusters(others: number): { readonly table: number; readonly blocks: number } {
  let table = 1;
  let blocks = 1;
  while (true) {
    const wantedBlocks = Math.ceil((others + table + blocks) / REFCOUNTS);
    const wantedTable = Math.ceil((wantedBlocks * 8) / CLUSTER_BYTES);
    if (wantedBlocks <= blocks && wantedTable <= table) return { table, blocks };
    blocks = Math.max(blocks, wantedBlocks);
    table = Math.max(table, wantedTable);
  }
}

function writeHeader(
  cluster: Buffer,
  parts: {
    readonly capacityBytes: number;
    readonly l1Size: number;
    readonly l1: number;
    readonly refcounts: number;
  },
): void {
  cluster.write('QFI\xfb', 0, 'latin1');
  cluster.writeUInt32BE(3, 4);
  cluster.writeUInt32BE(CLUSTER_BITS, 20);
  cluster.writeBigUInt64BE(BigInt(parts.capacityBytes), 24);
  cluster.writeUInt32BE(parts.l1Size, 36);
  cluster.writeBigUInt64BE(BigInt(parts.l1 * CLUSTER_BYTES), 40);
  cluster.writeBigUInt64BE(BigInt(CLUSTER_BYTES), 48);
  cluster.writeUInt32BE(parts.refcounts, 56);
  cluster.writeUInt32BE(REFCOUNT_ORDER, 96);
  cluster.writeUInt32BE(HEADER_BYTES, 100);
}

/** One cluster of a table that points to `count` clusters one behind the other. */
function writePointers(cluster: Buffer, index: number, count: number, first: number, flags: bigint): void {
  const begin = index * L2_ENTRIES;
  for (let entry = 0; entry < L2_ENTRIES && begin + entry < count; entry++)
    cluster.writeBigUInt64BE(flags | BigInt((first + begin + entry) * CLUSTER_BYTES), entry * 8);
}

function writeRefcounts(cluster: Buffer, index: number, clusters: number): void {
  const used = Math.min(REFCOUNTS, clusters - index * REFCOUNTS);
  for (let entry = 0; entry < used; entry++) cluster.writeUInt16BE(1, entry * 2);
}

function writeL1(cluster: Buffer, index: number, usedL2: readonly number[], firstL2: number): void {
  const begin = index * L2_ENTRIES;
  for (const [at, table] of usedL2.entries()) {
    if (table < begin || table >= begin + L2_ENTRIES) continue;
    cluster.writeBigUInt64BE(COPIED | BigInt((firstL2 + at) * CLUSTER_BYTES), (table - begin) * 8);
  }
}

function writeL2(cluster: Buffer, table: number, data: readonly Range[], dataCluster: number): void {
  const from = table * L2_ENTRIES * CLUSTER_BYTES;
  const to = from + L2_ENTRIES * CLUSTER_BYTES;
  let stored = dataCluster;
  for (const range of data) {
    if (range.from >= to) break;
    const first = Math.max(range.from, from);
    for (let at = first; at < Math.min(range.to, to); at += CLUSTER_BYTES) {
      const place = BigInt(stored * CLUSTER_BYTES + (at - range.from));
      cluster.writeBigUInt64BE(COPIED | place, ((at - from) / CLUSTER_BYTES) * 8);
    }
    stored += (range.to - range.from) / CLUSTER_BYTES;
  }
}
