import { spawn } from 'node:child_process';
import { rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { refusal } from '../lab/refusal.js';
import { run, type Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';
import { runOnTmpfs } from '../lab/tmpfs.js';

const MIB = 1024 * 1024;

let lab: Lab;
let system: LabDisk;

beforeAll(async () => {
  system = await makeDisk('system', 256, 24);
  const data = await makeDisk('data', 64, 8);
  lab = await Lab.start(
    [
      { name: 'db', disks: [{ ...system, unit: 0 }] },
      {
        name: 'two',
        disks: [
          { ...system, unit: 0 },
          { ...data, unit: 1 },
        ],
      },
    ],
    labTemporal(),
  );
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  await lab.vcenter.heal();
  expect(await leftovers(lab)).toEqual([]);
});

/** A backup by datastore access in whose middle somebody else took all the room that was left. */
async function fillUp(mount: string, ...flags: readonly string[]): Promise<{ readonly ran: Promise<Ran> }> {
  const { ran } = await lab.holdDownload('/folder', mount, () =>
    lab.backup('db', '--to', join(mount, 'db'), '--transport', 'nbdssl:datastore', ...flags),
  );
  await run('dd', ['if=/dev/zero', `of=${join(mount, 'other')}`, 'bs=1M'], { mayFail: true });
  await lab.vcenter.control('DELETE', '/traffic');
  return { ran };
}

/** Follows a run until its watcher says something. */
async function watchUntil(vm: string, wanted: RegExp): Promise<void> {
  const watcher = spawn(process.execPath, [lab.everthaw.program, 'watch', vm], {
    env: lab.everthaw.environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  watcher.stdout.on('data', (text) => (said += String(text)));
  await eventually(() => wanted.test(said));
  watcher.kill();
}

async function isHeld(): Promise<boolean> {
  return (await lab.phaseOf('db')) === 'held: the destination is full';
}

describe('a run whose destination is full', () => {
  runOnTmpfs(
    'is held, and goes on when there is room',
    '300m',
    () => lab,
    async (mount) => {
      const { ran } = await fillUp(mount);
      await eventually(isHeld);
      await rm(join(mount, 'other'));
      expect(await ran).toMatchObject({ code: 0 });
      expect(await lab.diskIn(join(mount, 'db'))).toBe(await sha256(system.raw));
    },
  );

  runOnTmpfs(
    'says so, and tries at once when an operator wants it',
    '301m',
    () => lab,
    async (mount) => {
      const { ran } = await fillUp(mount);
      await watchUntil('db', /held: .* is full .*everthaw resume.*everthaw cancel/);
      // Enough for this disk, too little to be noticed.
      const other = join(mount, 'other');
      const { stdout } = await run('stat', ['-c', '%s', other]);
      await truncate(other, Number(stdout) - 28 * MIB);
      expect(await lab.everthaw.everthaw('resume', 'db')).toMatchObject({ code: 0, stderr: '' });
      expect(await ran).toMatchObject({ code: 0 });
      expect(await lab.diskIn(join(mount, 'db'))).toBe(await sha256(system.raw));
    },
  );

  runOnTmpfs(
    'lets go of everything when the operator gives it up',
    '302m',
    () => lab,
    async (mount) => {
      const { ran } = await fillUp(mount);
      await eventually(isHeld);
      expect(await lab.everthaw.everthaw('cancel', 'db')).toMatchObject({ code: 0, stderr: '' });
      expect(refusal(await ran)).toMatch(/it was cancelled, and everything that it held is let go/);
      expect(await leftovers(lab)).toEqual([]);
    },
  );

  runOnTmpfs(
    'gives up by itself when its snapshot reaches the maximum age',
    '303m',
    () => lab,
    async (mount) => {
      const aged = lab.everthaw.withEnvironment({
        ...lab.everthaw.environment,
        EVERTHAW_MAXIMUM_SNAPSHOT_AGE_S: '12',
      });
      const { ran } = await lab.holdDownload('/folder', mount, () =>
        aged.everthaw('backup', 'db', '--to', join(mount, 'db'), '--transport', 'nbdssl:datastore'),
      );
      await run('dd', ['if=/dev/zero', `of=${join(mount, 'other')}`, 'bs=1M'], { mayFail: true });
      await lab.vcenter.control('DELETE', '/traffic');
      await eventually(isHeld);
      expect(refusal(await ran)).toMatch(/the snapshot reached its maximum age of 12.0 s/);
    },
  );
});

describe('a run that is to stop after this disk', () => {
  it('ends as cancelled when the disk is done, begins no other, and lets go', async () => {
    const { ran } = await lab.holdDownload('/folder', lab.everthaw.backups, () =>
      lab.backup('two', '--transport', 'nbdssl:datastore'),
    );
    expect(await lab.everthaw.everthaw('cancel', 'two', '--after', 'disk')).toMatchObject({ code: 0 });
    expect(await lab.phaseOf('two')).toBe('transfer of disk scsi0:0');
    await lab.vcenter.control('DELETE', '/traffic');
    const ended = await ran;
    expect(refusal(ended)).toMatch(/it was cancelled/);
    expect(ended.stdout.match(/^transfer …$/gm)).toHaveLength(1);
  });

  it('succeeds where that was the last', async () => {
    const { ran } = await lab.holdDownload('/folder', lab.everthaw.backups, () =>
      lab.backup('db', '--transport', 'nbdssl:datastore'),
    );
    expect(await lab.everthaw.everthaw('cancel', 'db', '--after', 'disk')).toMatchObject({ code: 0 });
    await lab.vcenter.control('DELETE', '/traffic');
    expect(await ran).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.diskIn(lab.directoryOf('db'))).toBe(await sha256(system.raw));
  });
});

it.each(['cancel', 'resume'])('everthaw %s says so where no run is living', async (command) => {
  const ran = await lab.everthaw.everthaw(command, 'db');
  expect(refusal(ran)).toMatch(/the run of "db": no run of this VM is living\. Hint: .*everthaw status/);
});
