import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyToFile, type Copied, type CopyOrder } from '../../src/disks/copier.js';
import { isAlive, processIdentity } from '../../src/system/processIdentity.js';
import { until } from '../../src/system/until.js';
import { sha256 } from '../lab/disks.js';

const MIB = 1024 * 1024;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-copier-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function order(parts: Partial<CopyOrder> & { from: string }): CopyOrder {
  const { from, ...rest } = parts;
  const source = { program: 'cat', args: [from], what: 'the test’s file' };
  return { source, file: join(directory, 'copy'), offsetBytes: 0, sparse: true, ...rest };
}

function copy(what: CopyOrder, signal = new AbortController().signal) {
  return copyToFile(what, () => undefined, signal);
}

interface ExportCopy {
  readonly offsetBytes?: number;
  readonly onProgress?: (bytes: number, durableBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Copies what nbdkit serves for as long as that takes. */
async function copyExport(server: readonly string[], how: ExportCopy = {}): Promise<Copied> {
  const { offsetBytes = 0, onProgress = () => undefined, signal = AbortSignal.timeout(30_000) } = how;
  const socket = join(directory, 'socket');
  const pidFile = join(directory, 'pid');
  const nbdkit = spawn('nbdkit', ['-f', '-U', socket, '-P', pidFile, ...server], { stdio: 'ignore' });
  try {
    await until(async () => (await readFile(pidFile, 'utf8').catch(() => '')) !== '', signal);
    const source = { socket, what: 'the export' };
    return await copyToFile(
      { source, file: join(directory, 'copy'), offsetBytes, sparse: true },
      onProgress,
      signal,
    );
  } finally {
    nbdkit.kill();
    await rm(pidFile, { force: true });
    await rm(socket, { force: true });
  }
}

describe('the copier', () => {
  it('writes the bytes that it reads, with holes for zeros, and gives the hash of the stored file', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 3 * 65_536 })), { maxLength: 12 }),
        async (runs) => {
          const from = join(directory, 'source');
          await writeFile(
            from,
            Buffer.concat(runs.map(([zero, length]) => (zero ? Buffer.alloc(length) : randomBytes(length)))),
          );
          const copied = await copy(order({ from }));
          expect((await readFile(join(directory, 'copy'))).equals(await readFile(from))).toBe(true);
          expect(copied).toEqual({ sizeBytes: (await stat(from)).size, sha256: await sha256(from) });
        },
      ),
      // Each run starts a process.
      { numRuns: 10 },
    );
  });

  it('takes no room for zeros', async () => {
    const from = join(directory, 'source');
    const handle = await open(from, 'w');
    await handle.truncate(64 * MIB);
    await handle.write(randomBytes(MIB), 0, MIB, 32 * MIB);
    await handle.close();
    await copy(order({ from }));
    const { size, blocks } = await stat(join(directory, 'copy'));
    expect(size).toBe(64 * MIB);
    expect(blocks * 512).toBeLessThan(4 * MIB);
  });

  // A whole sector is written past the page cache, anything else through it.
  it.each([2 * MIB, 2 * MIB + 5])(
    'goes on behind a checkpoint at %i: what lay behind it does not shine through, and the hash is of the whole file',
    async (offsetBytes) => {
      const whole = Buffer.concat([randomBytes(3 * MIB), Buffer.alloc(2 * MIB), randomBytes(MIB)]);
      const from = join(directory, 'rest');
      const file = join(directory, 'copy');
      await writeFile(from, whole.subarray(offsetBytes));
      // An earlier attempt wrote the prefix, and garbage past its checkpoint.
      await writeFile(file, Buffer.concat([whole.subarray(0, offsetBytes), randomBytes(8 * MIB)]));
      const copied = await copy(order({ from, offsetBytes }));
      expect((await readFile(file)).equals(whole)).toBe(true);
      expect(copied.sha256).toBe(await sha256(file));
    },
  );

  it('refuses to go on in a file that is shorter than its checkpoint', async () => {
    const from = join(directory, 'rest');
    await writeFile(from, 'bytes');
    await writeFile(join(directory, 'copy'), randomBytes(MIB));
    await expect(copy(order({ from, offsetBytes: 2 * MIB }))).rejects.toThrow(/shorter than its checkpoint/);
  });

  it.each([512, 4 * MIB, 41 * MIB + 512])('reads an NBD export of %i bytes', async (sizeBytes) => {
    const from = join(directory, 'source');
    await writeFile(from, randomBytes(sizeBytes));
    const copied = await copyExport(['file', from]);
    expect(copied).toEqual({ sizeBytes, sha256: await sha256(from) });
    expect((await readFile(join(directory, 'copy'))).equals(await readFile(from))).toBe(true);
  });

  it('goes on behind a checkpoint that lies in a hole', async () => {
    const enough = new AbortController();
    let durableBytes = 0;
    // Without burstiness, for the filter would let the first two seconds' bytes through at once: five seconds, of which one is needed.
    const slowly = ['--filter=rate', 'null', 'size=512M', 'rate=800M', 'burstiness=0.1'];
    const first = copyExport(slowly, {
      signal: enough.signal,
      onProgress(bytes, durable) {
        expect(durable).toBeLessThanOrEqual(bytes);
        durableBytes = durable;
        if (durable > 0) enough.abort(new Error('enough'));
      },
    });
    await expect(first).rejects.toThrow('enough');
    const copied = await copyExport(['null', `size=${512 * MIB - durableBytes}`], {
      offsetBytes: durableBytes,
    });
    expect(copied.sizeBytes).toBe(512 * MIB);
    expect(copied.sha256).toBe(await sha256(join(directory, 'copy')));
    expect((await stat(join(directory, 'copy'))).blocks * 512).toBeLessThan(MIB);
  });

  it('tells of an NBD export that cannot be read to its end', async () => {
    const failing = ['--filter=error', 'null', 'size=64M', 'error-pread-rate=100%'];
    await expect(copyExport(failing)).rejects.toThrow(/transfer the export: the NBD server could not read/);
  });

  it('kills the writer of an earlier attempt before it writes', async () => {
    const from = join(directory, 'source');
    await writeFile(from, 'bytes');
    const earlier = spawn('sleep', ['600'], { stdio: 'ignore' });
    const identity = await processIdentity(earlier.pid ?? 0);
    await writeFile(join(directory, 'copy.writer'), JSON.stringify(identity));
    await copy(order({ from }));
    expect(await isAlive(identity)).toBe(false);
  });

  it('goes on over the half-written note of a writer that never got its order', async () => {
    const from = join(directory, 'source');
    await writeFile(from, 'bytes');
    for (const note of ['', '{"pid":1', '{']) {
      await writeFile(join(directory, 'copy.writer'), note);
      expect((await copy(order({ from }))).sizeBytes).toBe(5);
    }
  });

  it('tells why its source failed, and of a destination that cannot be written', async () => {
    await expect(copy(order({ from: join(directory, 'missing') }))).rejects.toThrow(
      /cat ended with 1 .*No such file/,
    );
    const source = { program: 'curl', args: ['--fail', 'file:///missing'], what: 'disk scsi0:0' };
    await expect(copy(order({ from: '', source }))).rejects.toThrow(/transfer disk scsi0:0: /);
    const from = join(directory, 'source');
    await writeFile(from, randomBytes(2 * MIB));
    await expect(copy(order({ from, file: '/dev/full' }))).rejects.toThrow(/EACCES|ENOSPC|EINVAL|full/);
  });

  it('stops at once when it is cancelled, and leaves no writer behind', async () => {
    const cancel = new AbortController();
    const source = { program: 'sleep', args: ['600'], what: 'nothing' };
    const copying = copy(order({ from: '', source }), cancel.signal);
    cancel.abort(new Error('enough'));
    await expect(copying).rejects.toThrow('enough');
    await expect(readFile(join(directory, 'copy.writer'))).rejects.toThrow('ENOENT');
  });
});
