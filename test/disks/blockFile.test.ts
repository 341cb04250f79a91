import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BlockFile } from '../../src/disks/blockFile.js';
import { BlockPool } from '../../src/disks/blockPool.js';

const SPAN_BYTES = 64 * 1024;

it('writes and reads any bytes anywhere, past the page cache and through it, from memory of any kind', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'everthaw-block-file-'));
  const pooled = await new BlockPool().take();
  const place = fc.oneof(
    fc.integer({ min: 0, max: SPAN_BYTES }),
    fc.integer({ min: 0, max: SPAN_BYTES / 4096 }).map((sector) => sector * 4096),
  );
  const pieces = fc.array(fc.record({ at: place, length: place, shift: fc.constantFrom(0, 0, 1, 512) }), {
    maxLength: 20,
  });
  try {
    await fc.assert(
      fc.asyncProperty(pieces, async (written) => {
        const path = join(directory, 'file');
        await rm(path, { force: true });
        const file = await BlockFile.open(path);
        const expected = Buffer.alloc(2 * SPAN_BYTES);
        let sizeBytes = 0;
        for (const { at, length, shift } of written) {
          const data = pooled.subarray(shift, shift + length);
          data.set(randomBytes(length));
          await file.write(data, at);
          data.copy(expected, at);
          if (length > 0) sizeBytes = Math.max(sizeBytes, at + length);
          // What was just written is there, whichever way it is read.
          const read = await file.read(pooled.subarray(SPAN_BYTES, SPAN_BYTES + 4096), at - (at % 4096));
          expect(
            pooled.compare(
              expected,
              at - (at % 4096),
              at - (at % 4096) + read,
              SPAN_BYTES,
              SPAN_BYTES + read,
            ),
          ).toBe(0);
        }
        await file.close();
        expect((await readFile(path)).equals(expected.subarray(0, sizeBytes))).toBe(true);
      }),
      { numRuns: 50 },
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});
