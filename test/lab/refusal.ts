import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Ran } from './run.js';

/** Parts of the lab's password that no escaping changes. */
export const PASSWORD_PARTS = ['correct horse', 'staple'] as const;

/**
 * The one line that a command failed with. It has to be one, of the form `what: why. Hint: what to do`, with the exit code of
 * a failure, and without a secret.
 */
export function refusal(ran: Ran, exitCode = 1): string {
  const lines = ran.stderr.trimEnd().split('\n');
  expect(lines, ran.stdout).toHaveLength(1);
  const [line = ''] = lines;
  expect(line).toMatch(/^everthaw: \S.+: .+\. Hint: \S.+$/);
  expect(ran.code).toBe(exitCode);
  for (const part of PASSWORD_PARTS) expect(`${ran.stdout}${ran.stderr}`).not.toContain(part);
  return line;
}

/** Every file below a directory with its bytes, mode and time: what nobody has touched compares equal. */
export async function fingerprint(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const lines: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const { mode, mtimeMs } = await stat(path);
    const bytes = entry.isFile()
      ? createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
      : '';
    lines.push(`${path} ${mode.toString(8)} ${mtimeMs} ${bytes}`);
  }
  return lines.sort();
}
