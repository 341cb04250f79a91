import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'vitest';
import type { Lab } from './lab.js';
import { run } from './run.js';

const IS_ROOT = process.getuid?.() === 0;

/** A test with a small file system of its own. Mounting one needs root: for others it is skipped, and says so. */
export function runOnTmpfs(
  sentence: string,
  size: string,
  lab: () => Lab,
  body: (mount: string) => Promise<void>,
): void {
  it.skipIf(!IS_ROOT)(
    `${sentence}${IS_ROOT ? '' : ' (SKIPPED: mounting a small file system needs root)'}`,
    async () => {
      const mount = join(lab().everthaw.directory, `tmpfs-${size}`);
      await mkdir(mount, { recursive: true });
      await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', mount]);
      try {
        await body(mount);
      } finally {
        await run('umount', [mount]);
      }
    },
  );
}
