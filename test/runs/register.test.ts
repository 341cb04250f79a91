import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stateDirectories } from '../../src/config/directories.js';
import { readSettings } from '../../src/config/settings.js';
import { HostRegister } from '../../src/hosts/register.js';
import { Secret } from '../../src/hosts/secret.js';
import { makeDisk } from '../lab/disks.js';
import { eventually, Lab } from '../lab/lab.js';
import { labTemporal } from '../lab/temporal.js';

let lab: Lab;
let hosts: string;
let worker: number;

beforeAll(async () => {
  const disk = await makeDisk('tiny', 16, 1);
  lab = await Lab.start([{ name: 'web', disks: [{ ...disk, unit: 0 }] }], labTemporal());
  hosts = stateDirectories(readSettings(lab.everthaw.environment)).hosts;
  worker = lab.everthaw.workerPid;
}, 120_000);

afterAll(() => lab.stop());

/** The worker that there was at the beginning does a backup. */
async function expectServed(): Promise<void> {
  expect(await lab.backup('web', '--to', join(lab.everthaw.backups, 'web'))).toMatchObject({
    code: 0,
    stderr: '',
  });
  await rm(join(lab.everthaw.backups, 'web'), { recursive: true });
  expect(lab.everthaw.workerPid).toBe(worker);
  expect(() => process.kill(worker, 0)).not.toThrow();
}

describe('a running worker', () => {
  it('survives that loans come and go', async () => {
    const register = new HostRegister(hosts);
    const entry = { kind: 'vsphere', address: 'vc.example.com', port: 443, username: 'backup' } as const;
    await Promise.all(
      Array.from({ length: 4 }, async (_, borrower) => {
        for (let turn = 0; turn < 150; turn++) {
          // Few hosts, for each has a worker of its own for good.
          const uuid = `host-${turn % 3}`;
          await register.lend({ uuid, ...entry }, new Secret('a'), `run-${borrower}`);
          await register.settle(uuid, `run-${borrower}`);
        }
      }),
    );
    await expectServed();
  });

  it('serves the other hosts when an entry cannot be read, and says so once', async () => {
    const broken = join(hosts, 'a-broken-host', 'loan');
    const told = async (): Promise<number> =>
      (await readFile(lab.everthaw.workerLog, 'utf8')).split(broken).length - 1;
    await mkdir(broken, { recursive: true });
    await writeFile(join(broken, 'host.json'), '{ no JSON');
    await expectServed();
    await eventually(async () => (await told()) > 0);
    // Whatever comes later has it looked at again.
    await expectServed();
    expect(await told()).toBe(1);
    await rm(join(hosts, 'a-broken-host'), { recursive: true });
  });
});
