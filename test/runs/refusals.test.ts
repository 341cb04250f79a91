import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { EVERTHAW } from '../lab/programs.js';
import { fingerprint, refusal } from '../lab/refusal.js';
import { run } from '../lab/run.js';
import { runOnTmpfs } from '../lab/tmpfs.js';
import { labTemporal } from '../lab/temporal.js';

const TWINS_UUID = '4219aaaa-0000-4000-8000-000000000001';

let lab: Lab;

beforeAll(async () => {
  const small = await makeDisk('small', 16, 4);
  const disks = [{ ...small, unit: 0 }];
  lab = await Lab.start(
    [
      { name: 'web', disks },
      { name: 'twin', disks, ip: '10.0.0.20', hostName: 'twin.example.com', uuid: TWINS_UUID },
      { name: 'twin-2', disks, ip: '10.0.0.20', hostName: 'twin.example.com', uuid: TWINS_UUID },
      { name: 'independent', disks: [...disks, { ...small, unit: 1, mode: 'independent_persistent' }] },
      { name: 'mapped', disks: [...disks, { ...small, unit: 1, rdm: 'physicalMode' }] },
      { name: 'snapshotted', disks },
      { name: 'taken', disks },
      { name: 'toolless', disks, toolsRunning: false },
      { name: 'diskless', disks: [] },
    ],
    labTemporal(),
  );
  // A folder of its own lets another VM have the same name.
  await lab.vcenter.govc('folder.create', '/DC0/vm/archive');
  await lab.vcenter.govc(
    ...['vm.create', '-folder', '/DC0/vm/archive', '-ds', 'LocalDS_1', '-net', 'VM Network', '-on=false'],
    'web-2',
  );
  await lab.vcenter.govc('object.rename', '/DC0/vm/archive/web-2', 'twin');
  await lab.vcenter.govc('snapshot.create', '-vm', 'snapshotted', '-m=false', 'before the upgrade');
  await lab.vcenter.govc('snapshot.create', '-vm', 'taken', '-m=false', '_VCB_BACKUP_');
}, 120_000);

afterAll(() => lab.stop());

const THEIRS = ['snapshot "_VCB_BACKUP_" of VM "taken"', 'snapshot "before the upgrade" of VM "snapshotted"'];

afterEach(async () => {
  expect(await leftovers(lab)).toEqual(THEIRS);
});

describe('a host that cannot be logged in to', () => {
  it('refuses a wrong password', async () => {
    const ran = await lab.everthaw.everthawWith(
      { EVERTHAW_PASSWORD: 'battery horse' },
      'backup',
      'web',
      '--root',
      lab.everthaw.backups,
    );
    expect(refusal(ran)).toMatch(
      /log in to "127\.0\.0\.1" as "backup-user": the host refused user name or password\. Hint: check user name and password/,
    );
    expect(ran.stdout + ran.stderr).not.toContain('battery');
  });

  it('is told apart from a host that does not answer', async () => {
    const ran = await lab.backup('web', '--host', '127.0.0.2');
    expect(refusal(ran)).toMatch(/log in to "127\.0\.0\.2" as "backup-user": .*ECONNREFUSED.*Hint: .*is up/);
  });

  it('says which file of the password cannot be read', async () => {
    const ran = await lab.backup('web', '--password-file', '/nowhere/password');
    expect(refusal(ran, 2)).toMatch(/password from "\/nowhere\/password": ENOENT\. Hint: /);
  });
});

describe('a certificate', () => {
  const withoutCa = { EVERTHAW_CA_FILE: undefined };

  function backup(to: string, ...flags: readonly string[]) {
    const directory = join(lab.everthaw.backups, to);
    return lab.everthaw.everthawWith(
      withoutCa,
      'backup',
      'name:toolless',
      '--quiesce',
      'none',
      '--to',
      directory,
      ...flags,
    );
  }

  it('is refused when nobody vouches for it', async () => {
    expect(refusal(await backup('nobody'))).toMatch(
      /check the certificate of "127\.0\.0\.1": .*certificate.*\. Hint: give the CA that signed it, or HOST_THUMBPRINT/,
    );
  });

  it('is refused when another CA signed it', async () => {
    const { pem } = await lab.anotherCa();
    expect(refusal(await backup('another-ca', '--ca-file', pem))).toMatch(
      /check the certificate of "127\.0\.0\.1": .*certificate.*\. Hint: give the CA/,
    );
  });

  it('is refused when its thumbprint is another, with both told', async () => {
    const wrong = lab.vcenter.ready.thumbprintSha256.replace(/^../, (pair) => (pair === 'AA' ? 'AB' : 'AA'));
    const line = refusal(await backup('wrong-thumbprint', '--thumbprint', wrong));
    expect(line).toContain(`its thumbprint is ${lab.vcenter.ready.thumbprintSha256}, expected is ${wrong}`);
  });

  it('is refused with a CA file that cannot be read', async () => {
    expect(refusal(await backup('no-ca-file', '--ca-file', '/nowhere/ca.pem'), 2)).toMatch(
      /CA.*"\/nowhere\/ca\.pem": ENOENT\. Hint: /,
    );
  });

  it.each([
    ['SHA-1', 'lease'],
    ['SHA-256', 'datastore'],
  ])('is believed by its %s thumbprint, over the %s too', async (algorithm, via) => {
    const { thumbprintSha1, thumbprintSha256 } = lab.vcenter.ready;
    const thumbprint = algorithm === 'SHA-1' ? thumbprintSha1 : thumbprintSha256.toLowerCase();
    const ran = await backup(`by-${via}`, '--thumbprint', thumbprint, '--transport', `nbdssl:${via}`);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a CA file', () => {
  it('may be named from another directory than the worker’s', async () => {
    const { caFile } = lab.vcenter.ready;
    const ran = await run(
      process.execPath,
      [
        ...[
          EVERTHAW,
          'backup',
          'web',
          '--to',
          join(lab.everthaw.backups, 'relative'),
          '--ca-file',
          basename(caFile),
        ],
        ...['--port', lab.vcenter.port],
      ],
      { env: lab.everthaw.environment, cwd: dirname(caFile), mayFail: true },
    );
    expect(ran).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a VM', () => {
  it('that nobody knows is refused, by whatever it is named', async () => {
    const specs = [
      'name:Web',
      'ipaddr:10.9.9.9',
      'uuid:00000000-0000-4000-8000-000000000000',
      'moref:vm-99999',
    ];
    const lines = await Promise.all(specs.map(async (spec) => refusal(await lab.backup(spec))));
    for (const [index, spec] of specs.entries()) {
      const why = spec.startsWith('ipaddr:')
        ? 'no running VM tells this address or host name, and none was seen with it before'
        : 'no VM matches. Hint: ';
      expect(lines[index]).toContain(`look up VM ${spec} on "127.0.0.1": ${why}`);
    }
  });

  it('is refused when its name, address or uuid is that of another one too, with all of them told', async () => {
    const specs = ['name:twin', 'ipaddr:10.0.0.20', 'ipaddr:twin.example.com', `uuid:${TWINS_UUID}`];
    const lines = await Promise.all(specs.map(async (spec) => refusal(await lab.backup(spec))));
    for (const [index, spec] of specs.entries()) {
      expect(lines[index]).toContain(`look up VM ${spec} on "127.0.0.1": 2 VMs match: "`);
      expect(lines[index]).toMatch(
        /: "[^"]+" in \/DC0\/vm[^ ]* \(moref:vm-\d+ uuid:[-0-9a-f]+\); "[^"]+" in \/DC0\/vm[^ ]* \(moref:vm-\d+ uuid:[-0-9a-f]+\)\. Hint: name one of them as moref:<id>/,
      );
    }
  });

  it('is refused when its spec names nothing', async () => {
    expect(refusal(await lab.backup('name:'), 2)).toMatch(/read VM spec "name:": it names no VM\. Hint: /);
  });

  it('that no snapshot holds whole, or that cannot be quiesced, is refused', async () => {
    const reasons = {
      independent:
        /back up "independent": disk scsi0:1: it is an independent disk \(independent_persistent\), which a snapshot leaves out\. Hint: /,
      mapped:
        /back up "mapped": disk scsi0:1: it is a raw device mapping in physical mode, which a snapshot leaves out\. Hint: /,
      diskless: /back up "diskless": it has no disks\. Hint: /,
      toolless: /quiesce "toolless": the guest tools do not run in it\. Hint: .*--quiesce preferred/,
    };
    await Promise.all(
      Object.entries(reasons).map(async ([vm, reason]) => {
        expect(refusal(await lab.backup(vm))).toMatch(reason);
      }),
    );
  });

  it('with somebody else’s snapshots is refused where they are in the way, and they stay', async () => {
    const [taken, snapshotted] = await Promise.all([
      lab.backup('taken'),
      lab.backup('snapshotted', '--transport', 'nbdssl:datastore'),
    ]);
    expect(refusal(taken)).toMatch(
      /back up "taken": it has a snapshot _VCB_BACKUP_ already \(snapshot-\d+, of \S+, not made by Everthaw\)\. Hint: /,
    );
    expect(refusal(snapshotted)).toMatch(
      /read disk scsi0:0 of "snapshotted" by nbdssl:datastore: the VM has a snapshot already, so that the disk’s file is not the whole disk\. Hint: use the transport nbdssl:lease/,
    );
  });

  it('with a user’s snapshot is backed up by lease, and the snapshot stays', async () => {
    expect(await lab.backup('snapshotted')).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a destination', () => {
  it('is refused when its parent is missing', async () => {
    const parent = join(lab.everthaw.directory, 'no', 'such');
    expect(refusal(await lab.backup('web', '--to', join(parent, 'web')))).toContain(
      `back up to "${join(parent, 'web')}": its parent "${parent}" does not exist. Hint: make it: mkdir -p "${parent}"`,
    );
  });

  it('is refused when it holds something, which stays as it is', async () => {
    const directory = join(lab.everthaw.directory, 'photos');
    await mkdir(directory);
    await writeFile(join(directory, 'beach.jpg'), 'sand');
    const before = await fingerprint(directory);
    expect(refusal(await lab.backup('web', '--to', directory))).toContain(
      `back up to "${directory}": it exists and holds beach.jpg. Hint: name another directory`,
    );
    expect(await fingerprint(directory)).toEqual(before);
  });

  it('is refused when it holds a backup, which stays as it is', async () => {
    const directory = join(lab.everthaw.backups, 'twice');
    expect(await lab.backup('web', '--to', directory)).toMatchObject({ code: 0, stderr: '' });
    const before = await fingerprint(directory);
    expect(refusal(await lab.backup('web', '--to', directory))).toContain(
      `back up to "${directory}": it exists and holds a backup. Hint: name another directory`,
    );
    expect(await fingerprint(directory)).toEqual(before);
  });

  it('is refused when it is a file', async () => {
    const file = join(lab.everthaw.directory, 'a-file');
    await writeFile(file, 'text');
    expect(refusal(await lab.backup('web', '--to', file))).toContain(
      `back up to "${file}": it exists and holds a file of that name. Hint: `,
    );
  });

  it('is taken when it is an empty directory', async () => {
    const directory = join(lab.everthaw.backups, 'empty');
    await mkdir(directory);
    expect(await lab.backup('web', '--to', directory)).toMatchObject({ code: 0, stderr: '' });
  });

  runOnTmpfs(
    'is refused when the VM does not fit into it',
    '1m',
    () => lab,
    async (mount) => {
      expect(refusal(await lab.backup('web', '--to', join(mount, 'web')))).toMatch(
        /back up "web" to "\S+": the VM takes \d+ bytes on its datastores, the destination has \d+ bytes left\. Hint: free room there, or name another destination/,
      );
    },
  );
});

describe('a job', () => {
  it('backs up neither of two VMs that have one name, nor calls a VM good that it could not back up', async () => {
    const config = join(lab.everthaw.directory, 'jobs.yaml');
    const root = join(lab.everthaw.directory, 'of a job');
    await mkdir(root);
    const jobs = (...words: readonly string[]) =>
      lab.everthaw.everthawWith({ EVERTHAW_CONFIG: config }, 'jobs', ...words);
    const choice = { vms: ['pattern:tw*', 'name:web', 'name:mapped'], root };
    await writeFile(config, JSON.stringify({ jobs: { refused: choice } }));
    expect(await jobs('apply', '--yes')).toMatchObject({ code: 0 });
    const ran = await jobs('run', 'refused');
    expect(ran.code).toBe(3);
    const told = ran.stdout.trim().split('\n');
    expect(
      told.filter((line) => line.startsWith('twin failed: another VM of the job has this name')),
    ).toHaveLength(2);
    expect(told.find((line) => line.startsWith('mapped failed: '))).toContain('raw device mapping');
    expect(told.at(-1)).toMatch(/^job partial: 2 succeeded, 3 failed/);
    const made = (await readdir(root)).map((name) => name.replace(/-\d+T\d+Z$/, '')).sort();
    expect(made).toEqual(['twin-2-fullVM', 'web-fullVM']);
    await writeFile(config, '');
    expect(await jobs('apply', '--yes')).toMatchObject({ code: 0 });
  });
});
