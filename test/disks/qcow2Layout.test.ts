import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataClusters, type Extent } from '../../src/domain/extents.js';
import { CLUSTER_BYTES, layOut } from '../../src/disks/qcow2Layout.js';
import { run } from '../lab/run.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-qcow2-'));
});

afterAll(() => rm(directory, { recursive: true }));

const SECTOR = 512;

/** A disk in whole sectors, and what of it is data: the sectors' own numbers. */
const disks = fc
  .record({
    sectors: fc.integer({ min: 1, max: 40_000 }),
    data: fc.array(fc.tuple(fc.nat({ max: 39_999 }), fc.integer({ min: 1, max: 500 })), { maxLength: 8 }),
  })
  .map(({ sectors, data }) => ({
    capacityBytes: sectors * SECTOR,
    data: data
      .filter(([from]) => from < sectors)
      .map(([from, length]) => ({ from: from * SECTOR, to: Math.min(sectors, from + length) * SECTOR })),
  }));

function extentsOf(capacityBytes: number, data: readonly { from: number; to: number }[]): Extent[] {
  const edges = [...new Set([0, capacityBytes, ...data.flatMap(({ from, to }) => [from, to])])].sort(
    (a, b) => a - b,
  );
  return edges.slice(1).map((to, index) => {
    const from = edges[index] ?? 0;
    const isData = data.some((each) => each.from <= from && to <= each.to);
    return { offset: from, length: to - from, kind: isData ? 'data' : 'zero' };
  });
}

describe('a qcow2 image that is written from front to back', () => {
  it('is whole for qemu-img, and holds the disk’s bytes, whatever the disk', async () => {
    await fc.assert(
      fc.asyncProperty(disks, async ({ capacityBytes, data }) => {
        const raw = Buffer.alloc(Math.ceil(capacityBytes / CLUSTER_BYTES) * CLUSTER_BYTES);
        for (const { from, to } of data)
          for (let at = from; at < to; at += SECTOR) raw.writeUInt32LE(at / SECTOR + 1, at);
        const ranges = dataClusters(extentsOf(capacityBytes, data), capacityBytes, CLUSTER_BYTES);
        const layout = layOut(capacityBytes, ranges);
        const parts = [...layout.tables(), ...ranges.map(({ from, to }) => raw.subarray(from, to))];
        const image = join(directory, 'image.qcow2');
        const plain = join(directory, 'plain.raw');
        expect(Buffer.concat(parts).length).toBe(layout.sizeBytes);
        await write(image, parts);
        await write(plain, [raw.subarray(0, capacityBytes)]);
        await run('qemu-img', ['check', '-q', '-f', 'qcow2', image]);
        await run('qemu-img', ['compare', '-q', '-f', 'qcow2', '-F', 'raw', image, plain]);
        const info = await run('qemu-img', ['info', '--output=json', image]);
        expect(JSON.parse(info.stdout)).toMatchObject({ 'virtual-size': capacityBytes });
      }),
      { numRuns: 40 },
    );
  });

  it('can be gone on with at any of its clusters', () => {
    const layout = layOut(3 * 1024 ** 4, [{ from: 0, to: CLUSTER_BYTES }]);
    const whole = Buffer.concat([...layout.tables()]);
    const rest = Buffer.concat([...layout.tables(2 * CLUSTER_BYTES)]);
    expect(rest.equals(whole.subarray(2 * CLUSTER_BYTES))).toBe(true);
  });

  it('needs few tables for a disk of 8 TiB that is nearly empty', async () => {
    const capacityBytes = 8 * 1024 ** 4;
    const last = capacityBytes - CLUSTER_BYTES;
    const layout = layOut(capacityBytes, [
      { from: 0, to: CLUSTER_BYTES },
      { from: last, to: capacityBytes },
    ]);
    expect(layout.sizeBytes).toBeLessThan(1024 ** 2);
    const image = join(directory, 'large.qcow2');
    await write(image, [...layout.tables(), Buffer.alloc(CLUSTER_BYTES, 1), Buffer.alloc(CLUSTER_BYTES, 2)]);
    await run('qemu-img', ['check', '-q', image]);
    const map = await run('qemu-img', ['map', '--output=json', image]);
    const data = (JSON.parse(map.stdout) as { start: number; data: boolean }[]).filter((each) => each.data);
    expect(data.map(({ start }) => start)).toEqual([0, last]);
  });
});

describe('the clusters that hold data', () => {
  it('are whole, ascending, apart, and hold every byte that is not known to be zero', () => {
    fc.assert(
      fc.property(disks, ({ capacityBytes, data }) => {
        const ranges = dataClusters(extentsOf(capacityBytes, data), capacityBytes, CLUSTER_BYTES);
        for (const [index, { from, to }] of ranges.entries()) {
          expect([from % CLUSTER_BYTES, to % CLUSTER_BYTES]).toEqual([0, 0]);
          expect(from).toBeLessThan(to);
          expect(from).toBeGreaterThan(ranges[index - 1]?.to ?? -1);
        }
        for (const { from, to } of data)
          expect(ranges.some((range) => range.from <= from && to <= range.to)).toBe(true);
      }),
    );
  });

  it('are all of a disk of which nothing is known', () => {
    expect(dataClusters([], 100_000, CLUSTER_BYTES)).toEqual([{ from: 0, to: 2 * CLUSTER_BYTES }]);
  });
});

async function write(file: string, parts: readonly Buffer[]): Promise<void> {
  const handle = await open(file, 'w');
  for (const part of parts) await handle.write(part);
  await handle.close();
}
