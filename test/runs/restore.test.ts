import { cp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { fingerprint, refusal } from '../lab/refusal.js';
import type { SeenVm } from '../lab/vcenter.js';
import { labTemporal } from '../lab/temporal.js';

let lab: Lab;
let data: LabDisk;
/** The same VM's backups, by either transport; restored from, never changed. */
const backups = { lease: '', datastore: '' };
let kept: readonly string[];

beforeAll(async () => {
  data = await makeDisk('data', 64, 8);
  lab = await Lab.start(
    [
      { name: 'web', disks: [{ ...data, unit: 0 }] },
      { name: 'off', disks: [{ ...data, unit: 0 }], powerOn: false },
    ],
    labTemporal(),
  );
  for (const via of ['lease', 'datastore'] as const) {
    backups[via] = join(lab.everthaw.backups, `web-by-${via}`);
    const ran = await lab.backup('web', '--to', backups[via], '--transport', `nbdssl:${via}`);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
  }
  kept = await Promise.all(Object.values(backups).map(async (each) => (await fingerprint(each)).join('\n')));
}, 120_000);

afterAll(() => lab.stop());

afterEach(async () => {
  await lab.vcenter.heal();
  expect(await leftovers(lab)).toEqual([]);
  expect(
    await Promise.all(Object.values(backups).map(async (each) => (await fingerprint(each)).join('\n'))),
  ).toEqual(kept);
});

/** Runs `body` on a copy of a backup, damaged as wanted. */
async function withCopy(
  damage: (directory: string) => Promise<void>,
  body: (directory: string) => Promise<void>,
) {
  const directory = join(lab.everthaw.directory, 'copy');
  await cp(backups.lease, directory, { recursive: true });
  try {
    await damage(directory);
    await body(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function rewriteManifest(directory: string, change: (text: string) => string): Promise<void> {
  const file = join(directory, 'manifest.json');
  await writeFile(file, change(await readFile(file, 'utf8')));
}

/** Everything of a VM that a refused restore must leave as it was. */
async function stateOf(name: string): Promise<SeenVm & { readonly bytes: string }> {
  return { ...(await lab.vcenter.vm(name)), bytes: await lab.diskOf(name) };
}

describe('a damaged backup', () => {
  it('with a flipped byte in a disk is not restored', async () => {
    await withCopy(
      async (directory) => {
        const file = await open(join(directory, 'scsi0-0.vmdk'), 'r+');
        const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 1_000_000);
        await file.write(Buffer.from([buffer[0]! ^ 1]), 0, 1, 1_000_000);
        await file.close();
      },
      async (directory) => {
        expect(refusal(await lab.restore(directory, '--name', 'copy'))).toMatch(
          /read the backup in ".*\/copy": scsi0-0\.vmdk is not what was backed up: SHA-256 [0-9a-f]{64}, the manifest says [0-9a-f]{64}\. Hint: restore from another backup/,
        );
      },
    );
  });

  it('with a file that is cut short or missing is not restored', async () => {
    await withCopy(
      async (directory) => {
        const file = await open(join(directory, 'scsi0-0.vmdk'), 'r+');
        await file.truncate(1_000_000);
        await file.close();
        await rm(join(directory, 'catalog'));
      },
      async (directory) => {
        expect(refusal(await lab.restore(directory, '--name', 'copy'))).toMatch(
          /scsi0-0\.vmdk is not what was backed up: it has 1000000 bytes, the manifest says \d+/,
        );
        await cp(join(backups.lease, 'scsi0-0.vmdk'), join(directory, 'scsi0-0.vmdk'));
        expect(refusal(await lab.restore(directory, '--name', 'copy'))).toMatch(
          /read the backup in ".*\/copy": catalog is missing\. Hint: /,
        );
      },
    );
  });

  it.each<[string, (text: string) => string, RegExp]>([
    ['is cut off', (text) => text.slice(0, 700), /its manifest is no JSON/],
    ['is another program’s', () => '{"format":"other/1"}', /its manifest is not one of ours: .*format/],
    [
      'leads out of its directory',
      (text) => text.replaceAll('"scsi0-0.vmdk"', '"../web-by-lease/scsi0-0.vmdk"'),
      /its manifest is not one of ours: .*not the name of a file in this directory/,
    ],
    [
      'has no hash for a disk',
      (text) => text.replace('"path": "scsi0-0.vmdk"', '"path": "other.vmdk"'),
      /its manifest lists no hash for scsi0-0\.vmdk/,
    ],
  ])('is refused at once when its manifest %s', async (_, change, why) => {
    await withCopy(
      (directory) => rewriteManifest(directory, change),
      async (directory) => {
        const line = refusal(await lab.restore(directory, '--name', 'copy'));
        expect(line).toContain(`read the backup in "${directory}": `);
        expect(line).toMatch(why);
      },
    );
  });

  it('is told apart from a directory that is none', async () => {
    expect(refusal(await lab.restore(join(lab.everthaw.backups, 'nowhere')))).toMatch(
      /read the backup in ".*\/nowhere": its manifest cannot be read \(ENOENT\)\. Hint: /,
    );
  });

  it('whose configuration cannot be read is not restored', async () => {
    await withCopy(
      (directory) =>
        rewriteManifest(directory, (text) => text.replace(/"memoryMB": \d+/, '"memoryMB": "much"')),
      async (directory) => {
        expect(refusal(await lab.restore(directory, '--name', 'copy'))).toMatch(
          /read the VM’s configuration in the manifest: .*memoryMB.*\. Hint: /,
        );
      },
    );
  });

  it('from a datastore that the host does not have is not restored', async () => {
    await withCopy(
      (directory) => rewriteManifest(directory, (text) => text.replaceAll('[LocalDS_0]', '[burnt]')),
      async (directory) => {
        expect(refusal(await lab.restore(directory, '--name', 'copy'))).toMatch(
          /find datastore "burnt" to restore to: the host has none of that name; it has LocalDS_0, LocalDS_1\. Hint: /,
        );
      },
    );
  });
});

describe('a restore onto a VM that exists', () => {
  it('is refused without --overwrite, and the VM is untouched', async () => {
    const before = await stateOf('web');
    expect(refusal(await lab.restore(backups.lease))).toContain(
      `restore VM "web": a VM of that name exists (${before.moref}), and without a terminal nobody can be asked: prompt means abort. Hint: restore under another name with --name, or replace it with --overwrite`,
    );
    expect(await stateOf('web')).toEqual(before);
  });

  it('is refused with --overwrite while it is powered on, and the VM is untouched', async () => {
    const before = await stateOf('web');
    expect(refusal(await lab.restore(backups.lease, '--overwrite'))).toMatch(
      /restore VM "web": the VM that it would replace is powered on\. Hint: power it off first/,
    );
    expect(await stateOf('web')).toEqual(before);
  });

  it('is refused with --overwrite when two VMs have the name', async () => {
    const before = await stateOf('off');
    await lab.vcenter.govc('folder.create', '/DC0/vm/archive');
    await lab.vcenter.govc(
      ...['vm.create', '-folder', '/DC0/vm/archive', '-ds', 'LocalDS_1', '-net', 'VM Network', '-on=false'],
      'off-2',
    );
    await lab.vcenter.govc('object.rename', '/DC0/vm/archive/off-2', 'off');
    try {
      expect(refusal(await lab.restore(backups.lease, '--name', 'off', '--overwrite'))).toMatch(
        /restore VM "off": 2 VMs have that name \(vm-\d+, vm-\d+\).*\. Hint: rename the others/,
      );
    } finally {
      await lab.vcenter.govc('vm.destroy', '/DC0/vm/archive/off');
      await lab.vcenter.govc('object.destroy', '/DC0/vm/archive');
    }
    expect(await stateOf('off')).toEqual(before);
  });

  it.each(['lease', 'datastore'] as const)(
    'that fails in mid-upload by %s leaves the VM as it was',
    async (via) => {
      const before = await stateOf('off');
      const path = via === 'lease' ? '/nfc' : '/folder';
      await lab.vcenter.control('POST', '/tear', { path, afterBytes: 2_000_000, count: 1000 });
      expect(refusal(await lab.restore(backups[via], '--name', 'off', '--overwrite'))).toMatch(
        /transfer (disk scsi0:0|\[LocalDS_0\] off-\S+vmdk): the connection broke.*\. Hint: /,
      );
      await lab.vcenter.heal();
      expect(await stateOf('off')).toEqual(before);
    },
  );

  it('that fails when the new one is put in its place leaves the VM as it was', async () => {
    const before = await stateOf('off');
    // The old VM is aside by then: the first renaming is its, the second the new one's.
    await lab.vcenter.fault({
      method: 'Rename_Task',
      fault: 'InvalidState',
      inTask: true,
      skip: 1,
      count: 1,
    });
    expect(refusal(await lab.restore(backups.lease, '--name', 'off', '--overwrite'))).toMatch(
      /rename VM vm-\d+ to "off": InvalidState.*\. Hint: /,
    );
    expect(await stateOf('off')).toEqual(before);
  });

  it.each(['lease', 'datastore'] as const)(
    'replaces a powered-off one with --overwrite by %s, to the same bytes',
    async (via) => {
      const before = await lab.vcenter.vm('off');
      expect(await lab.restore(backups[via], '--name', 'off', '--overwrite')).toMatchObject({
        code: 0,
        stderr: '',
      });
      const after = await lab.vcenter.vm('off');
      expect((await lab.vcenter.vms()).map(({ moref }) => moref)).not.toContain(before.moref);
      expect(after.instanceUuid).not.toBe((await lab.vcenter.vm('web')).instanceUuid);
      expect(await lab.diskOf('off')).toBe(await sha256(data.raw));
    },
  );
});

describe('a restore that is killed and terminated while it replaces a VM', () => {
  /** Restores over "off" until `isThere`, while a call of the host is not answered; then nobody is left to go on. */
  async function abandonAt(method: string, isThere: (names: readonly SeenVm[]) => boolean): Promise<void> {
    await lab.vcenter.fault({ method, delayMs: 600_000 });
    const workflowId = await lab.runOf('off');
    const ran = lab.restore(backups.lease, '--name', 'off', '--overwrite');
    await eventually(async () => isThere(await lab.vcenter.vms()));
    await lab.everthaw.killWorker();
    await lab.client.workflow.getHandle(workflowId).terminate('the test');
    expect((await ran).code).toBe(1);
    await lab.vcenter.heal();
  }

  const isAside = ({ name }: SeenVm) => name.startsWith('off.replaced-');
  const isInPlace = ({ name }: SeenVm) => name === 'off';
  const isMarked = ({ extraConfig }: SeenVm) => 'everthaw.restoring' in (extraConfig ?? {});

  it('has the replaced VM removed by the next sweep, where the restored one was whole', async () => {
    const before = await lab.vcenter.vm('off');
    await abandonAt(
      'Destroy_Task',
      (vms) => vms.some(isAside) && vms.some((vm) => isInPlace(vm) && !isMarked(vm)),
    );
    const swept = await lab.everthaw.everthaw('cleanup', '-y');
    expect(swept).toMatchObject({ code: 0, stderr: '' });
    expect(swept.stdout).toContain(`let go: VM ${before.moref}, which a restored "off" replaces`);
    expect((await lab.vcenter.vms()).filter(isAside)).toEqual([]);
    expect((await lab.vcenter.vm('off')).moref).not.toBe(before.moref);
    expect(await lab.diskOf('off')).toBe(await sha256(data.raw));
    await lab.everthaw.startWorker();
  });

  it('has the replaced VM’s name given back, though another sweep died before it came to that', async () => {
    const before = await stateOf('off');
    await abandonAt(
      'ReconfigVM_Task',
      (vms) => vms.some(isAside) && vms.some((vm) => isInPlace(vm) && isMarked(vm)),
    );
    await lab.vcenter.govc('vm.destroy', 'off');
    expect(await lab.everthaw.everthaw('cleanup', '-y')).toMatchObject({ code: 0, stderr: '' });
    expect(await stateOf('off')).toEqual(before);
    await lab.everthaw.startWorker();
  });
});

describe('a restore onto the original', () => {
  it('that is powered off takes its place and its identity', async () => {
    await lab.vcenter.govc('vm.power', '-off', 'web');
    const before = await lab.vcenter.vm('web');
    expect(await lab.restore(backups.lease, '--overwrite', '--power-on')).toMatchObject({
      code: 0,
      stderr: '',
    });
    const after = await lab.vcenter.vm('web');
    expect(after.moref).not.toBe(before.moref);
    expect([after.instanceUuid, after.biosUuid]).toEqual([before.instanceUuid, before.biosUuid]);
    expect(after.powerState).toBe('poweredOn');
    expect(await lab.diskOf('web')).toBe(await sha256(data.raw));
  });

  it('is cancelled in mid-upload, and the original is untouched', async () => {
    const before = await stateOf('off');
    await lab.vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: 20_000 });
    const ran = lab.restore(backups.lease, '--name', 'off', '--overwrite');
    await eventually(async () => (await lab.vcenter.get<readonly { kind: string }[]>('/leases')).length > 0);
    expect(await lab.everthaw.everthaw('cancel', 'off')).toMatchObject({ code: 0, stderr: '' });
    expect(refusal(await ran)).toMatch(
      /run: it was cancelled, and everything that it held is let go\. Hint: /,
    );
    await lab.vcenter.heal();
    expect(await stateOf('off')).toEqual(before);
  });
});

describe('a restore beside the original', () => {
  it.each(['lease', 'datastore'] as const)(
    'by %s makes a copy with an identity of its own, and leaves the original',
    async (via) => {
      const name = `copy-by-${via}`;
      const before = await stateOf('web');
      expect(await lab.restore(backups[via], '--name', name)).toMatchObject({ code: 0, stderr: '' });
      const copy = await lab.vcenter.vm(name);
      expect(copy.instanceUuid).not.toBe(before.instanceUuid);
      expect(copy.biosUuid).not.toBe(before.biosUuid);
      expect(copy.powerState).toBe('poweredOff');
      expect(await lab.diskOf(name)).toBe(await sha256(data.raw));
      expect(await stateOf('web')).toEqual(before);
    },
  );
});

describe('a restore of a VM that is gone', () => {
  it('gives it back its identity', async () => {
    const before = await lab.vcenter.vm('web');
    await lab.vcenter.govc('vm.destroy', 'web');
    expect(await lab.restore(backups.lease, '--power-on')).toMatchObject({ code: 0, stderr: '' });
    const { instanceUuid, biosUuid, powerState } = await lab.vcenter.vm('web');
    expect({ instanceUuid, biosUuid, powerState }).toEqual({
      instanceUuid: before.instanceUuid,
      biosUuid: before.biosUuid,
      powerState: 'poweredOn',
    });
    expect(await lab.diskOf('web')).toBe(await sha256(data.raw));
  });
});
