import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { renewCookie } from '../../src/disks/nbdServer.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-cookie-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

describe('the cookie of a new session', () => {
  it('is handed to a server that runs, by several at once', async () => {
    await writeFile(join(directory, 'cookie'), 'vmware_soap_session=old');
    await Promise.all(Array.from({ length: 20 }, () => renewCookie(directory, 'new')));
    expect(await readFile(join(directory, 'cookie'), 'utf8')).toBe('vmware_soap_session=new');
    expect(await readdir(directory)).toEqual(['cookie']);
  });

  it('is not handed to one that is only being started, nor to one that is gone', async () => {
    await renewCookie(directory, 'new');
    expect(await readdir(directory)).toEqual([]);
    await rm(directory, { recursive: true });
    await renewCookie(directory, 'new');
  });
});
