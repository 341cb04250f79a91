import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk } from '../lab/disks.js';
import { historyOf } from '../lab/history.js';
import { Lab } from '../lab/lab.js';
import { leftovers, processesOf } from '../lab/leftovers.js';
import { PASSWORD_PARTS, refusal } from '../lab/refusal.js';
import type { Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

let lab: Lab;

beforeAll(async () => {
  const data = await makeDisk('data', 64, 8);
  lab = await Lab.start([{ name: 'web', disks: [{ ...data, unit: 0 }] }], labTemporal());
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  await lab.vcenter.heal();
  expect(await leftovers(lab)).toEqual([]);
});

interface Seen {
  readonly ran: Ran;
  /** Password, session cookies and addresses of leases: what nobody may see. */
  readonly secrets: ReadonlySet<string>;
  /** Arguments of every process that the run had. */
  readonly args: ReadonlySet<string>;
  readonly programs: ReadonlySet<string>;
  /** Files that held a secret while the run went on, with their modes. */
  readonly holders: ReadonlyMap<string, string>;
}

/** Watches processes and files of a run from its first moment to its last. */
async function watched(start: () => Promise<Ran>): Promise<Seen> {
  const secrets = new Set<string>(PASSWORD_PARTS);
  const args = new Set<string>();
  const programs = new Set<string>();
  const holders = new Map<string, string>();
  let ran: Ran | undefined;
  const running = start().then((ended) => (ran = ended));
  while (ran === undefined) {
    for (const { key } of await lab.vcenter.get<readonly { key: string }[]>('/sessions')) secrets.add(key);
    for (const seen of processesOf(lab.everthaw.state)) {
      args.add(seen.args);
      programs.add(seen.program.replace(/^.*\//, ''));
    }
    for (const [file, mode] of await holdersOf(secrets)) holders.set(file, mode);
    await nextTurn();
  }
  return { ran: await running, secrets, args, programs, holders };
}

/** Files of the state directory in which a secret stands, with their modes. */
async function holdersOf(secrets: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const path of await filesBelow(lab.everthaw.state)) {
    const text = await readFile(path, 'utf8').catch(() => '');
    const mode = (await stat(path).catch(() => undefined))?.mode;
    if (mode !== undefined && holdsAny(text, secrets)) found.set(path, (mode & 0o777).toString(8));
  }
  return found;
}

/** Files below a directory that changes meanwhile. */
async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const files: string[] = [];
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) files.push(...(await filesBelow(path)));
    else files.push(path);
  }
  return files;
}

function holdsAny(text: string, secrets: ReadonlySet<string>): boolean {
  return [...secrets].some((secret) => text.includes(secret));
}

describe('password and session cookie', () => {
  it.each(['lease', 'datastore'] as const)(
    'of a backup by %s stand in no argument list, log, history or output, and only in files of mode 0600',
    async (via) => {
      const path = via === 'lease' ? '/nfc' : '/folder';
      await lab.vcenter.control('POST', '/throttle', { path, bytesPerSecond: via === 'lease' ? 4e6 : 64e6 });
      const seen = await watched(() =>
        lab.backup('web', '--to', join(lab.everthaw.backups, via), '--transport', `nbdssl:${via}`),
      );
      expect(seen.ran).toMatchObject({ code: 0, stderr: '' });
      await expectSilence(seen);
      expect([...seen.programs]).toEqual(
        expect.arrayContaining(via === 'lease' ? ['node', 'curl'] : ['node', 'nbdkit']),
      );
      const names = [...seen.holders.keys()].map((file) => file.replace(/^.*\//, ''));
      expect(names).toContain('secret');
      if (via === 'datastore') expect(names).toContain('cookie');
      expect(new Set(seen.holders.values())).toEqual(new Set(['600']));
    },
  );

  it('of a restore stand in no argument list, log, history or output', async () => {
    await lab.vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: 4e6 });
    const seen = await watched(() =>
      lab.restore(join(lab.everthaw.backups, 'lease'), '--name', 'web', '--overwrite'),
    );
    expect(refusal(seen.ran)).toContain('powered on');
    await lab.vcenter.govc('vm.power', '-off', 'web');
    const second = await watched(() => lab.restore(join(lab.everthaw.backups, 'lease'), '--overwrite'));
    expect(second.ran).toMatchObject({ code: 0, stderr: '' });
    for (const each of [seen, second]) await expectSilence(each);
    expect([...second.programs]).toContain('curl');
  });

  it('of a run that fails stand in no error, log or history', async () => {
    await lab.vcenter.fault({ method: 'ExportSnapshot', fault: 'InvalidState', count: 1 });
    const seen = await watched(() => lab.backup('web'));
    refusal(seen.ran);
    await expectSilence(seen);
  });
});

async function expectSilence({ ran, secrets, args }: Seen): Promise<void> {
  expect(secrets.size).toBeGreaterThan(PASSWORD_PARTS.length);
  const log = await readFile(lab.everthaw.workerLog, 'utf8');
  const history = await historyOf(await lab.runOf('web'));
  // That is: what Temporal packs was unpacked.
  expect(history).toContain('"instanceUuid":"');
  for (const secret of secrets) {
    expect([...args].filter((each) => each.includes(secret))).toEqual([]);
    expect(`${ran.stdout}${ran.stderr}`).not.toContain(secret);
    expect(log).not.toContain(secret);
    expect(history).not.toContain(secret);
  }
  // The address of a lease lets anybody read the disk.
  expect([...args].filter((each) => each.includes('/nfc/'))).toEqual([]);
  expect(history).not.toContain('/nfc/');
}
