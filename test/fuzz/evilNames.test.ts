import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileNameOf } from '../../src/domain/fileName.js';
import { encodeName } from '../../src/hosts/vsphere/inventory.js';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { labTemporal } from '../lab/temporal.js';
import { expectOneLine } from './fuzz.js';

const LONG = 'x'.repeat(255);
const NAMES = [
  '..',
  'a/b',
  `it's "quoted"
and $(touch pwned) \`touch pwned\``,
  '-rf',
  '日本語のサーバー',
  LONG,
];
/** So many of them from the first on: the others differ in nothing that a restore sees. */
const RESTORED = 4;

let lab: Lab;
let disk: LabDisk;

beforeAll(async () => {
  disk = await makeDisk('data', 64, 8);
  lab = await Lab.start(
    NAMES.map((_, index) => ({ name: `plain-${index}`, disks: [{ ...disk, unit: 0 }] })),
    labTemporal(),
  );
  for (const [index, name] of NAMES.entries())
    await lab.vcenter.govc('object.rename', `/DC0/vm/plain-${index}`, encodeName(name));
}, 120_000);

afterAll(() => lab.stop());

/** What lies beside the backups, and where a command could have been run. */
async function around(): Promise<readonly string[]> {
  return [...(await readdir(lab.everthaw.directory)), ...(await readdir('.'))];
}

describe('a VM of an evil name', () => {
  it('is backed up, listed, shown, verified and restored within the root, and nothing is executed', async () => {
    const before = await around();
    const directories: string[] = [];
    for (const name of NAMES) {
      const usual = join(lab.everthaw.backups, name === LONG ? 'long' : `${fileNameOf(name)}-fullVM`);
      const to = name === LONG ? ['--to', usual] : [];
      const backup = await lab.backup(`name:${name}`, ...to);
      expect([name, backup.code, backup.stderr]).toEqual([name, 0, '']);
      directories.push(usual);
    }
    expect(
      (await readdir(lab.everthaw.backups)).map((each) => join(lab.everthaw.backups, each)).sort(),
    ).toEqual(directories.toSorted());
    const listed = await lab.everthaw.everthaw('list', lab.everthaw.backups);
    expect(listed.stdout.trimEnd().split('\n')).toHaveLength(NAMES.length + 1);
    const verified = await lab.everthaw.everthaw('verify', ...directories);
    expect(verified).toMatchObject({ code: 0, stderr: '' });
    expect(verified.stdout).not.toMatch(/^\s*bad/m);
    for (const [index, name] of NAMES.slice(0, RESTORED).entries()) {
      const directory = directories[index]!;
      const shown = await lab.everthaw.everthaw('show', '--json', directory);
      expect((JSON.parse(shown.stdout) as { manifest: { vm: { name: string } } }).manifest.vm.name).toBe(
        name,
      );
      // The simulator makes no disk in a directory that is named as vSphere writes a slash.
      const as = name.includes('/') ? 'slash, restored' : name;
      const original = await vmOf(name);
      await lab.vcenter.govc('vm.destroy', '-vm.uuid', original.biosUuid);
      const restored = await lab.restore(directory, '--name', as);
      expect([name, restored.code, restored.stderr]).toEqual([name, 0, '']);
      expect((await vmOf(as)).moref).not.toBe(original.moref);
      expect(await lab.diskOf(encodeName(as))).toBe(await sha256(disk.raw));
    }
    expect((await around()).filter((each) => !before.includes(each))).toEqual(['read-back.raw']);
    expect(await leftovers(lab)).toEqual([]);
  }, 600_000);

  it('that no directory can have is refused in one line that says what to do', async () => {
    const { code, stderr } = await lab.backup(`name:${LONG}`);
    expect(code).toBe(2);
    expectOneLine(stderr.trimEnd());
    expect(stderr).toMatch(
      /it takes 255 bytes, 195 are possible\. Hint: give the backup directory a name of its own/,
    );
  });
});

function vmOf(name: string) {
  return lab.vcenter.vm(encodeName(name));
}
