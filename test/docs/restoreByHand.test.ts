import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import { writeBackup } from '../lab/backupDirectory.js';
import { makeDisk, sha256 } from '../lab/disks.js';
import { LabGuest } from '../lab/guest.js';
import { GuestLab } from '../lab/guestLab.js';
import { Lab } from '../lab/lab.js';
import { GOVC } from '../lab/programs.js';
import { run } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

const PAGE = fileURLToPath(new URL('../../../docs/restore-by-hand.md', import.meta.url));

let directory: string;
let page: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-by-hand-'));
  page = await readFile(PAGE, 'utf8');
  await mkdir(join(directory, 'bin'));
  await symlink(GOVC, join(directory, 'bin/govc'));
});

afterAll(() => rm(directory, { recursive: true }));

/** The blocks of commands below a heading of the page, in order. */
function blocksOf(heading: string): readonly string[] {
  const section = page.split(/^## /m).find((each) => each.startsWith(`${heading}\n`)) ?? '';
  const blocks = [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block ?? '');
  expect(blocks.length, `commands below "${heading}"`).toBeGreaterThan(0);
  return blocks;
}

/** The words of the page's table, which stand for what the reader has. */
function wordsOfTable(): readonly string[] {
  return [...page.matchAll(/^\| `([A-Z]+)` /gm)].map(([, word]) => word ?? '');
}

/** Runs a block as a reader would type it, with words put in; a word that is not in the table stays as it is. */
async function type(block: string, words: Record<string, string>, environment: NodeJS.ProcessEnv) {
  const known = wordsOfTable();
  const script = block.replace(/\b[A-Z]+\b/g, (word) =>
    known.includes(word) ? (words[word] ?? word) : word,
  );
  const PATH = `${join(directory, 'bin')}:${process.env['PATH'] ?? ''}`;
  return run('bash', ['-euo', 'pipefail', '-c', script], {
    env: { ...process.env, ...environment, PATH },
    cwd: directory,
  });
}

async function manifestOf(backup: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(backup, 'manifest.json'), 'utf8')) as Manifest;
}

it('the page restores a vSphere backup to the same bytes', async () => {
  const data = await makeDisk('data', 64, 8);
  const lab = await Lab.start([{ name: 'web', disks: [{ ...data, unit: 0 }] }], labTemporal());
  try {
    expect(await lab.backup('web')).toMatchObject({ code: 0, stderr: '' });
    await lab.vcenter.govc('vm.destroy', 'web');
    await lab.everthaw.killWorker();
    const words = {
      ...{ BACKUP: lab.directoryOf('web'), NAME: 'web', DISK: 'scsi0-0', WORK: join(directory, 'work') },
      ...{ DATASTORE: 'LocalDS_1', NETWORK: 'VM Network' },
    };
    const environment = lab.vcenter.govcEnvironment();
    for (const block of [...blocksOf('Check the backup'), ...blocksOf('Back onto vSphere')])
      await type(block, words, environment);
    expect((await lab.vcenter.vm('web')).disks).toMatchObject([{ path: '[LocalDS_1] web/scsi0-0.vmdk' }]);
    expect(await lab.diskOf('web', 0, 'LocalDS_1')).toBe(await sha256(data.raw));
  } finally {
    await lab.stop();
  }
}, 120_000);

it('the page restores a libvirt backup to the same bytes, and it boots', async () => {
  const lab = await GuestLab.start(labTemporal());
  try {
    const guest = await LabGuest.start(lab.libvirt, { name: 'by-hand', format: ['raw', 'qcow2'] });
    await guest.powerOff();
    expect(await lab.backup(guest.name)).toMatchObject({ code: 0, stderr: '' });
    const backup = lab.directoryOf(guest.name);
    await lab.libvirt.virsh('undefine', guest.name);
    await run('find', [guest.directory, '-type', 'f', '-delete']);
    await lab.everthaw.killWorker();
    const environment = lab.libvirt.environment();
    const words = { BACKUP: backup, NAME: guest.name };
    for (const block of blocksOf('Check the backup')) await type(block, words, environment);
    const [convert = '', define = ''] = blocksOf('Back onto libvirt');
    const { disks } = await manifestOf(backup);
    for (const [index, { file, originalPath }] of disks.entries()) {
      const disk = {
        DISK: file.replace(/\.qcow2$/, ''),
        IMAGE: originalPath,
        FORMAT: ['raw', 'qcow2'][index] ?? '',
      };
      await type(convert, { ...words, ...disk }, environment);
      await run('qemu-img', ['compare', join(backup, file), originalPath]);
    }
    await type(define, words, environment);
    await guest.untilItAnswers();
    expect((await lab.libvirt.virsh('domuuid', guest.name)).trim()).toBe(guest.uuid);
    await guest.destroy();
  } finally {
    await lab.stop();
  }
}, 180_000);

it('a backup that was changed does not pass the page’s check', async () => {
  const backup = join(directory, 'changed');
  await writeBackup(backup, 'web', (manifest) => ({
    ...manifest,
    files: manifest.files.map((file) => ({ ...file, sha256: '0'.repeat(64) })),
  }));
  await expect(type(blocksOf('Check the backup')[0] ?? '', { BACKUP: backup }, {})).rejects.toThrow(
    /FAILED|did NOT match/,
  );
});
