import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/domain/finding.js';
import { makeDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { fingerprint, PASSWORD_PARTS } from '../lab/refusal.js';
import { labTemporal } from '../lab/temporal.js';
import { runOnTmpfs } from '../lab/tmpfs.js';

let lab: Lab;

beforeAll(async () => {
  const small = await makeDisk('small', 16, 4);
  const disks = [{ ...small, unit: 0 }];
  lab = await Lab.start(
    [
      { name: 'web', disks },
      { name: 'independent', disks: [...disks, { ...small, unit: 1, mode: 'independent_persistent' }] },
      { name: 'toolless', disks, toolsRunning: false },
      { name: 'snapshotted', disks },
      { name: 'model', disks, powerOn: false },
    ],
    labTemporal(),
  );
  await lab.vcenter.govc('snapshot.create', '-vm', 'snapshotted', '-m=false', 'before the upgrade');
  await lab.vcenter.govc('vm.markastemplate', 'model');
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  // No session is among them, and no snapshot of ours.
  expect(await leftovers(lab)).toEqual(['snapshot "before the upgrade" of VM "snapshotted"']);
});

interface Checked {
  readonly code: number;
  readonly found: readonly Finding[];
}

async function check(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Checked> {
  const ran = await lab.everthaw.everthawWith(environment, 'check', ...args, '--json');
  for (const part of PASSWORD_PARTS) expect(`${ran.stdout}${ran.stderr}`).not.toContain(part);
  expect(ran.stderr).toBe('');
  const lines = ran.stdout.split('\n').filter((line) => line !== '');
  return { code: ran.code, found: lines.map((line) => JSON.parse(line) as Finding) };
}

function failures({ found }: Checked): readonly string[] {
  return found
    .filter(({ state }) => state === 'failed')
    .map(({ check, on, found: seen, todo }) => `${check} of ${on}: ${seen} -> ${todo ?? ''}`);
}

function toBackups(): readonly string[] {
  return ['--root', lab.everthaw.backups];
}

describe('a host, a proxy and a VM that are well', () => {
  it('pass every check, and are as they were', async () => {
    const seen = async (): Promise<unknown> => [
      (await lab.vcenter.vms()).toSorted((one, other) => one.name.localeCompare(other.name)),
      await lab.vcenter.get('/files?datastore=LocalDS_0'),
      await fingerprint(lab.everthaw.backups),
    ];
    const before = await seen();
    const checked = await check(['web', ...toBackups()]);
    expect(failures(checked)).toEqual([]);
    expect(checked.code).toBe(0);
    const ok = checked.found.filter(({ state }) => state === 'ok').map((each) => each.check);
    for (const wanted of [
      'settings',
      'state',
      'Temporal',
      'worker',
      'program',
      'name',
      'port',
      'certificate',
    ])
      expect(ok).toContain(wanted);
    for (const wanted of ['login', 'clock', 'destination', 'VM', 'disks', 'guest', 'snapshots', 'privileges'])
      expect(ok).toContain(wanted);
    for (const wanted of ['host', 'nbdssl:lease', 'nbdssl:datastore']) expect(ok).toContain(wanted);
    // The simulator's ESX hosts have names that nobody resolves.
    expect(checked.found.filter(({ state }) => state === 'warning').map((each) => each.check)).toEqual([
      'ESX host',
    ]);
    expect(await seen()).toEqual(before);
  });

  it('are shown as a table, with what is to be done below what it is for', async () => {
    const { stdout, code } = await lab.everthaw.everthaw('check', 'web', 'toolless', ...toBackups());
    expect(code).toBe(1);
    expect(stdout).toMatch(/^STATE +CHECK +ON +FOUND$/m);
    expect(stdout).toMatch(
      /^failed +guest +VM "toolless" +the guest tools do not run in it\n +→ start them, or allow .*--quiesce preferred$/m,
    );
    expect(stdout).toMatch(/^1 of \d+ checks failed$/m);
  });

  it('need no VM to be named', async () => {
    const checked = await check(toBackups());
    expect(checked.code).toBe(0);
    expect(checked.found.map((each) => each.check)).not.toContain('VM');
  });
});

describe('the way to the host', () => {
  it('fails with a wrong password', async () => {
    const checked = await check(['web'], { EVERTHAW_PASSWORD: 'battery horse' });
    expect(checked.code).toBe(1);
    expect(failures(checked)).toEqual([
      expect.stringMatching(
        /^login of 127\.0\.0\.1: the host refused user name or password -> check user name/,
      ),
    ]);
  });

  it('fails with a certificate of another CA, and with another thumbprint', async () => {
    const { pem } = await lab.anotherCa();
    const byCa = await check(['web'], { EVERTHAW_CA_FILE: pem });
    expect(failures(byCa)).toEqual([
      expect.stringMatching(/^certificate of 127\.0\.0\.1:\d+: SELF_SIGNED_CERT_IN_CHAIN -> give the CA/),
    ]);
    const wrong = lab.vcenter.ready.thumbprintSha256.replace(/^../, (pair) => (pair === 'AA' ? 'AB' : 'AA'));
    const byThumbprint = await check(['web', '--thumbprint', wrong]);
    expect(failures(byThumbprint)).toEqual([
      expect.stringContaining(
        `its thumbprint is ${lab.vcenter.ready.thumbprintSha256}, expected is ${wrong}`,
      ),
    ]);
    expect([byCa.code, byThumbprint.code]).toEqual([1, 1]);
  });

  it('fails where its port is closed, and where its name is none', async () => {
    const closed = await check(['web', '--host', '127.0.0.2']);
    expect(failures(closed)).toEqual([
      expect.stringMatching(/^port of 127\.0\.0\.2:\d+: ECONNREFUSED -> see that the host is up/),
    ]);
    const unknown = await check(['web', '--host', 'nowhere.invalid']);
    expect(failures(unknown)).toEqual([
      expect.stringMatching(/^name of nowhere\.invalid: .* -> check the name/),
    ]);
  });

  it('fails where the settings are wrong, with each of them told', async () => {
    const checked = await check(['web'], { EVERTHAW_PORT: 'https', EVERTHAW_RETRIES: 'many' });
    expect(failures(checked)).toEqual([
      expect.stringContaining('EVERTHAW_PORT'),
      expect.stringContaining('EVERTHAW_RETRIES'),
    ]);
  });
});

describe('a proxy', () => {
  it('that no worker serves fails, and so does a Temporal server that does not answer', async () => {
    const unserved = await check([], { EVERTHAW_PROXY: 'nobody-serves-it' });
    expect(failures(unserved)).toEqual([
      expect.stringMatching(
        /^worker of nobody-serves-it: no worker serves this proxy.* -> start it .*everthaw worker/,
      ),
    ]);
    const serverless = await check([], { TEMPORAL_ADDRESS: '127.0.0.1:9' });
    expect(failures(serverless)).toEqual([
      expect.stringMatching(/^Temporal of 127\.0\.0\.1:9: .* -> see that it runs/),
    ]);
  });

  it('without the program that a transport needs fails', async () => {
    const checked = await check(['--transport', 'nbdssl:datastore'], { PATH: '/nonexistent' });
    expect(failures(checked).join('\n')).toMatch(
      /^program of nbdkit curl: .*it is for: nbdssl:datastore.* -> install it \(Debian: nbdkit\)$/m,
    );
  });
});

describe('a destination', () => {
  it('that is missing fails', async () => {
    const checked = await check(['web', '--root', join(lab.everthaw.directory, 'nowhere')]);
    expect(checked.code).toBe(1);
    expect(failures(checked).join('\n')).toMatch(
      /^destination of .*nowhere: it does not exist -> make it: mkdir -p/m,
    );
  });

  it('with an unfinished backup in it is worth a word', async () => {
    const root = join(lab.everthaw.directory, 'with-leftovers');
    await mkdir(join(root, 'web-fullVM.partial-6f1f4c1e-0000-4000-8000-000000000001'), { recursive: true });
    const checked = await check(['--root', root]);
    expect(checked.code).toBe(0);
    expect(checked.found).toContainEqual(
      expect.objectContaining({ check: 'leftovers', on: root, state: 'warning' }),
    );
    await rm(root, { recursive: true });
  });

  runOnTmpfs(
    'without room for what the VM takes fails',
    '1m',
    () => lab,
    async (mount) => {
      const checked = await check(['web', '--root', mount]);
      expect(failures(checked)).toEqual([
        expect.stringMatching(
          /^destination of .*web-fullVM: the VM takes \d+ bytes .* has \d+ bytes left -> free room/,
        ),
      ]);
    },
  );
});

describe('a VM', () => {
  it('with an independent disk fails, and the others are looked at all the same', async () => {
    const checked = await check(['any:', ...toBackups()]);
    expect(checked.code).toBe(1);
    const found = failures(checked).toSorted();
    expect(found).toEqual([
      expect.stringMatching(
        /^disks of VM "independent": disk scsi0:1: it is an independent disk .*-> change the disk/,
      ),
      expect.stringMatching(/^guest of VM "toolless": the guest tools do not run in it/),
      expect.stringMatching(/^template of VM "model": it is a template.* -> convert it to a VM/),
    ]);
    expect(checked.found).toContainEqual(
      expect.objectContaining({ check: 'nbdssl:datastore', on: 'VM "snapshotted"', state: 'warning' }),
    );
  });

  it('that nobody knows fails', async () => {
    expect(failures(await check(['name:Web']))).toEqual([
      expect.stringMatching(/^VM of name:Web: no VM matches -> see what there is/),
    ]);
  });

  it('whose datastore has less room than the floor fails', async () => {
    const room = (freeBytes: number): Promise<void> =>
      lab.vcenter.control('POST', '/datastores/LocalDS_0/room', { freeBytes });
    await room(1024);
    try {
      expect(failures(await check(['web']))).toEqual([
        expect.stringMatching(
          /^host of VM "web": datastore "LocalDS_0" has 1\.0 KiB left, below the floor of/,
        ),
      ]);
    } finally {
      await room(100 * 1024 ** 3);
    }
  });
});

describe('privileges that are missing', () => {
  const deny = (objectName: string, ...denied: readonly string[]): Promise<void> =>
    lab.vcenter.control('POST', '/privileges', { objectName, denied });

  it('are told by name, VM and step, with what to do', async () => {
    await deny('web', 'VirtualMachine.State.CreateSnapshot');
    await deny('LocalDS_0', 'Datastore.FileManagement');
    try {
      const checked = await check(['web']);
      expect(checked.code).toBe(1);
      expect(failures(checked)).toEqual([
        'privileges of VM "web": VirtualMachine.State.CreateSnapshot is missing on VM "web" (for: snapshot) -> give "backup-user" a role with it there (docs/privileges.md)',
        expect.stringContaining('Datastore.FileManagement is missing on datastore "LocalDS_0"'),
      ]);
    } finally {
      await deny('web');
      await deny('LocalDS_0');
    }
  });

  it('count for the transport that is meant alone, and for restoring where that is asked for', async () => {
    await deny('web', 'VApp.Export');
    await deny('Resources', 'Resource.AssignVMToPool');
    try {
      expect((await check(['web', '--transport', 'nbdssl:datastore'])).code).toBe(0);
      expect(failures(await check(['web']))).toEqual([
        expect.stringContaining('VApp.Export is missing on VM "web"'),
      ]);
      expect(failures(await check(['web', '--transport', 'nbdssl:datastore', '--restoring']))).toEqual([
        expect.stringContaining('Resource.AssignVMToPool is missing on resource pool "Resources"'),
      ]);
    } finally {
      await deny('web');
      await deny('Resources');
    }
  });

  it('are not known where the host does not tell', async () => {
    await lab.vcenter.fault({ method: 'HasPrivilegeOnEntities', fault: 'NotSupported' });
    const checked = await check(['web']);
    await lab.vcenter.heal();
    expect(checked.found.filter((each) => each.check === 'privileges')).toEqual([
      expect.objectContaining({ state: 'not known' }),
    ]);
  });
});
