import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeBackup } from '../lab/backupDirectory.js';
import { nightlyBackups } from './nightlyBackups.js';

const { everthaw, makeNights, root, standing } = nightlyBackups();

describe('everthaw protect', () => {
  it('keeps a backup from being forgotten, which list and show tell, and verify finds nothing wrong with', async () => {
    await makeNights(2);
    const directory = join(root(), 'db-1');
    expect((await everthaw('protect', directory)).code).toBe(2);
    expect(await everthaw('protect', directory, '--reason', 'before the\nupgrade')).toMatchObject({
      code: 0,
    });
    expect((await everthaw('list', root())).stdout).toMatch(
      /^protected: .*\/db-1: before the\\u\{a\}upgrade$/m,
    );
    expect((await everthaw('show', directory)).stdout).toMatch(/^protected {7}before the/m);
    const forget = await everthaw('forget', root(), '--keep-last', '1', '--yes');
    expect(forget.stdout).toMatch(/^keep .*\/db-1 .*protected: before the/m);

    expect((await everthaw('unprotect', directory)).stdout).toBe(`no longer protected: ${directory}\n`);
    expect((await everthaw('unprotect', directory)).stdout).toBe(`was not protected: ${directory}\n`);
    await everthaw('forget', root(), '--keep-last', '1', '--yes');
    expect(await standing()).toEqual(['db-2']);
  });

  it('leaves nothing that verify would call foreign, and a mark that cannot be read protects all the same', async () => {
    const directory = join(root(), 'db');
    await writeBackup(directory, 'db');
    await writeBackup(join(root(), 'newer'), 'db', (manifest) => ({
      ...manifest,
      pointInTime: '2026-11-23T01:00:00Z',
    }));
    await everthaw('protect', directory, '--reason', 'one');
    await everthaw('protect', directory, '--reason', 'two');
    expect((await everthaw('verify', directory)).stdout).toBe(`good: ${directory} ("db", 64 KiB)\n`);
    await writeFile(join(directory, '.everthaw-protected'), 'nonsense');
    const { stdout } = await everthaw('forget', root(), '--keep-last', '1', '--yes');
    expect(stdout).toMatch(
      /^keep .*\/db .*protected: somebody said so, but \.everthaw-protected cannot be read/m,
    );
    expect(await standing()).toEqual(['db', 'newer']);
  });

  it('is of backups alone', async () => {
    await mkdir(join(root(), 'empty'));
    for (const command of [['protect', '--reason', 'x'], ['unprotect']]) {
      const ran = await everthaw(...command, join(root(), 'empty'));
      expect(ran.code).toBeGreaterThan(0);
      expect(ran.stderr).toMatch(/empty.*Hint: /);
    }
    expect(await readdir(join(root(), 'empty'))).toEqual([]);
  });
});
