import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataClusters } from '../../src/domain/extents.js';
import { copyToFile } from '../../src/disks/copier.js';
import { readExportMap } from '../../src/disks/exportMap.js';
import { CLUSTER_BYTES } from '../../src/disks/qcow2Layout.js';
import { until } from '../../src/system/until.js';
import { sha256 } from '../lab/disks.js';
import { run } from '../lab/run.js';

const MIB = 1024 * 1024;
/** Not whole clusters: the last one reaches behind its end. */
const CAPACITY_BYTES = 300 * MIB + 512;
const NEVER = new AbortController().signal;

let directory: string;
let server: ChildProcess;
let source: { readonly socket: string; readonly exportName: string; readonly what: string };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-qcow2-'));
  const raw = await open(join(directory, 'disk.raw'), 'w');
  await raw.truncate(CAPACITY_BYTES);
  for (const at of [0, 3 * MIB, 100 * MIB, 101 * MIB + 4096, 299 * MIB])
    await raw.write(Buffer.alloc(700_001, `data at ${at} `), 0, 700_001, at);
  for (let at = 120 * MIB; at < 250 * MIB; at += MIB)
    await raw.write(Buffer.alloc(MIB, `${at} `), 0, MIB, at);
  await raw.write(Buffer.alloc(512, 'the end'), 0, 512, CAPACITY_BYTES - 512);
  await raw.close();
  const socket = join(directory, 'nbd.sock');
  source = { socket, exportName: 'vda', what: 'the disk' };
  server = spawn(
    'qemu-nbd',
    [
      ...['--read-only', '--persistent', '--shared=8', '--socket', socket, '--export-name', 'vda'],
      ...['--format', 'raw', join(directory, 'disk.raw')],
    ],
    { stdio: 'ignore' },
  );
  await until(
    () =>
      stat(socket).then(
        () => true,
        () => false,
      ),
    AbortSignal.timeout(10_000),
  );
});

afterAll(async () => {
  server.kill('SIGKILL');
  await rm(directory, { recursive: true });
});

async function image() {
  const extents = await readExportMap(source, NEVER);
  return {
    capacityBytes: CAPACITY_BYTES,
    data: dataClusters(extents, CAPACITY_BYTES, CLUSTER_BYTES),
  };
}

async function isTheDisk(file: string): Promise<void> {
  await run('qemu-img', ['check', '-q', file]);
  await run('qemu-img', ['compare', '-q', '-F', 'raw', file, join(directory, 'disk.raw')]);
}

describe('a copy of an NBD export into a qcow2 image', () => {
  it('holds the disk’s bytes, only the data, and its hash is that of the file', async () => {
    const file = join(directory, 'whole.qcow2');
    const copied = await copyToFile(
      { source, file, offsetBytes: 0, sparse: true, image: await image() },
      () => undefined,
      NEVER,
    );
    await isTheDisk(file);
    expect(copied).toEqual({ sizeBytes: (await stat(file)).size, sha256: await sha256(file) });
    expect(copied.sizeBytes).toBeLessThan(140 * MIB);
  });

  it('goes on where it was cut off, to the same file', async () => {
    const plan = await image();
    const whole = join(directory, 'again.qcow2');
    const { sha256: wanted, sizeBytes } = await copyToFile(
      { source, file: whole, offsetBytes: 0, sparse: true, image: plan },
      () => undefined,
      NEVER,
    );
    for (const offsetBytes of [CLUSTER_BYTES, 10 * CLUSTER_BYTES, sizeBytes - CLUSTER_BYTES, sizeBytes]) {
      const file = join(directory, `from-${offsetBytes}.qcow2`);
      await run('cp', [whole, file]);
      // What lies behind the checkpoint is of no worth.
      const handle = await open(file, 'r+');
      await handle.write(Buffer.alloc(CLUSTER_BYTES, 'rubbish'), 0, CLUSTER_BYTES, offsetBytes);
      await handle.close();
      const copied = await copyToFile(
        { source, file, offsetBytes, sparse: true, image: plan },
        () => undefined,
        NEVER,
      );
      expect(copied).toEqual({ sizeBytes, sha256: wanted });
      await isTheDisk(file);
      await rm(file);
    }
  });
});
