import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { readManifest } from '../../src/destinations/restorePoint.js';
import { manifestOf } from './manifests.js';
import { anyText, mutated, mutatedJson, vmNames } from './generators.js';
import { clearlyLater, fuzz } from './fuzz.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-fuzz-'));
});

afterAll(() => rm(directory, { recursive: true }));

/** A manifest that is believed leads to no file but those beside it, and each has one meaning. */
async function check(text: string): Promise<void> {
  await writeFile(join(directory, 'manifest.json'), text);
  const manifest = await clearlyLater(
    readManifest(directory),
    `read the backup in "${directory}"`,
    'its manifest',
  );
  if (manifest === undefined) return;
  const paths = manifest.files.map(({ path }) => path);
  for (const path of paths) {
    expect(basename(join(directory, path))).toBe(path);
    expect(path).not.toMatch(/\0/);
  }
  for (const { file } of manifest.disks) expect(paths).toContain(file);
  for (const all of [paths, manifest.disks.map(({ label }) => label), manifest.disks.map(({ file }) => file)])
    expect(new Set(all).size).toBe(all.length);
  // It is told as JSON, and goes through Temporal as such.
  JSON.stringify(manifest);
}

describe('a manifest', () => {
  fuzz(
    'in which values are others is believed or refused, in one line',
    mutatedJson(manifestOf('web')),
    check,
    200,
  );

  fuzz('that is torn is refused', mutated(JSON.stringify(manifestOf('web'), undefined, 2)), check, 100);

  fuzz('of any text is refused', anyText, check, 100);

  fuzz(
    'of a VM of any name comes back as it was written',
    fc.tuple(vmNames, anyText),
    async ([name, folderPath]) => {
      const manifest = manifestOf(name, { folderPath });
      await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest));
      expect(await readManifest(directory)).toEqual(manifest);
    },
    100,
  );
});
