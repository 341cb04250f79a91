import { randomUUID } from 'node:crypto';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EverthawError } from '../../src/domain/errors.js';
import { parseConfiguration } from '../../src/hosts/libvirt/xml/configuration.js';
import { define } from '../../src/hosts/libvirt/restore/define.js';
import { describeVm } from '../../src/hosts/libvirt/inventory/description.js';
import { parseDomain } from '../../src/hosts/libvirt/xml/domainXml.js';
import { readIdentity } from '../../src/hosts/libvirt/connection/identity.js';
import { findVms } from '../../src/hosts/libvirt/inventory/inventory.js';
import { holdPath, writeRecords } from '../../src/hosts/libvirt/snapshot/holdDirectory.js';
import { allRoots } from '../../src/hosts/libvirt/snapshot/holdRoots.js';
import { checkHostNeeds } from '../../src/hosts/libvirt/connection/hostNeeds.js';
import type { HostShell } from '../../src/system/hostShell.js';
import { isAutostarted } from '../../src/hosts/libvirt/inventory/unkeptParts.js';
import { GuestAgent } from '../../src/hosts/libvirt/guest/guestAgent.js';
import { LibvirtGuest } from '../../src/hosts/libvirt/guest/libvirtGuest.js';
import { LIBVIRT_SETTINGS } from '../../src/hosts/libvirt/connection/settings.js';
import { parseAddress } from '../../src/hosts/libvirt/connection/libvirtUri.js';
import { Virsh } from '../../src/hosts/libvirt/connection/virsh.js';
import { downloadVmFile, listVmFiles } from '../../src/hosts/libvirt/inventory/vmFiles.js';
import type { LabLibvirt } from '../lab/libvirt.js';
import { run } from '../lab/run.js';
import { LibvirtVms, MIB, PARTS } from './libvirtVms.js';

let vms: LibvirtVms;
let lab: LabLibvirt;
let virsh: Virsh;
let images: string;

beforeAll(async () => {
  vms = await LibvirtVms.start();
  ({ lab, virsh, images } = vms);
});

afterAll(() => vms.stop());

describe('finding and describing libvirt VMs', () => {
  const NAME = 'a "hard" name, 日本; echo $(id) & --id 1';
  let uuid: string;

  beforeAll(async () => {
    uuid = await vms.defineVm(NAME);
  });

  it('finds by name, uuid and id, and finds nothing rather than failing', async () => {
    const [vm] = await findVms(virsh, { kind: 'name', value: NAME });
    expect(vm).toEqual({ instanceUuid: uuid, biosUuid: uuid, moref: uuid, name: NAME, powerState: 'off' });
    expect(await findVms(virsh, { kind: 'uuid', value: uuid.toUpperCase() })).toEqual([vm]);
    expect(await findVms(virsh, { kind: 'moref', value: uuid })).toEqual([vm]);
    for (const kind of ['name', 'uuid', 'moref', 'ipaddr'] as const)
      expect(await findVms(virsh, { kind, value: '1' })).toEqual([]);
    await expect(describeVm(virsh, '1', PARTS)).rejects.toMatchObject({ code: 'VmNotFound' });
    await expect(describeVm(virsh, randomUUID(), PARTS)).rejects.toMatchObject({ code: 'VmNotFound' });
  });

  it('describes disks, room and definition, without the console’s password', async () => {
    const vm = await describeVm(virsh, uuid, PARTS);
    expect(vm.disks).toEqual([
      { label: 'virtio0:0', path: join(images, `${uuid.slice(0, 8)}.raw`), capacityBytes: 8 * MIB },
      { label: 'scsi0:0', path: join(images, `${uuid.slice(0, 8)}.qcow2`), capacityBytes: 16 * MIB },
    ]);
    expect(vm.usedBytes).toBeGreaterThan(0);
    expect(vm.datastores).toEqual([
      {
        label: images,
        url: images,
        kind: expect.any(String) as string,
        freeBytes: expect.any(Number) as number,
      },
    ]);
    expect(JSON.stringify(vm.configuration)).not.toContain('s3cret');
    expect(await listVmFiles(virsh, uuid)).toEqual([
      { role: 'domain', path: 'domain.xml' },
      { role: 'nvram', path: 'nvram.fd' },
    ]);
    const { program, args, stdin } = await downloadVmFile(
      virsh,
      { role: 'domain', path: 'domain.xml' },
      uuid,
    );
    expect([program, args]).toEqual(['cat', []]);
    expect(parseDomain(stdin ?? '').name).toBe(NAME);
  });

  it('names the image under an overlay of ours, and says which image is missing', async () => {
    const name = 'overlaid';
    const other = await vms.defineVm(name);
    const base = join(images, `${other.slice(0, 8)}.raw`);
    const directory = join(images, `.everthaw-${other}-run`);
    const overlay = join(directory, 'vda.overlay');
    await mkdir(directory);
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', overlay]);
    const xml = await virsh.run('read', ['dumpxml', '--inactive', other]);
    const onOverlay = xml.replace("type='raw'", "type='qcow2'").replace(base, overlay);
    await define(virsh, 'move', onOverlay);
    const vm = await describeVm(virsh, other, PARTS);
    expect(vm.disks[0]).toEqual({ label: 'virtio0:0', path: base, capacityBytes: 8 * MIB });
    expect(parseDomain(parseConfiguration(vm.configuration).xml).disks[0]).toMatchObject({
      path: base,
      format: 'raw',
    });
    await rm(overlay);
    await rm(join(images, `${other.slice(0, 8)}.qcow2`));
    const broken = await describeVm(virsh, other, PARTS);
    expect(broken.disks[0]?.refusal).toContain('left by a backup');
    expect(broken.disks[1]?.refusal).toContain('see that');
    await virsh.run('remove', ['undefine', other, '--keep-nvram']);
  });

  it('is another host than the machine itself in a session', async () => {
    const identity = await readIdentity(virsh, lab.uri);
    expect(identity.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(identity.uuid).not.toBe(lab.hostUuid);
    expect(await readIdentity(virsh, lab.uri)).toEqual(identity);
    expect(identity.product).toMatch(/libvirt.*QEMU/);
  });
});

describe('what a VM that is gone was owed', () => {
  it('is nothing: its freeze and its paused application are let go', async () => {
    const uuid = await vms.defineVm('owed');
    const libvirt = { virsh, settings: LIBVIRT_SETTINGS.parse({}) };
    const hold = holdPath(images, uuid, 'run-1');
    await writeRecords(virsh, hold, {
      paused: { domainId: '1', bootId: 'boot' },
      freezing: { nonce: 'nonce', domainId: '1' },
      owner: { vmUuid: uuid, vmName: 'owed', runId: 'run-1', description: '' },
    });
    await virsh.run('remove it', ['undefine', uuid, '--keep-nvram']);
    const guest = new LibvirtGuest(libvirt);
    expect(await guest.debts()).toHaveLength(2);
    await guest.thaw(uuid, 'run-1');
    expect(await guest.resumeApplication(uuid, 'run-1')).toBeUndefined();
    expect(await guest.debts()).toEqual([]);
    await expect(stat(hold)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('what a host needs for a backup', () => {
  it.skipIf(process.getuid?.() !== 0)('is missed before anything is touched', async () => {
    const uuid = await vms.defineVm('needy');
    const vm = { name: 'needy', instanceUuid: uuid };
    const settings = LIBVIRT_SETTINGS.parse({});
    const checked = (body: string) => {
      const run: HostShell['run'] = (program, args, options) =>
        virsh.shell.run('sh', ['-c', `${body}; exec "$@"`, 'sh', program, ...args], options);
      class Elsewhere extends Virsh {
        override ask(...args: Parameters<Virsh['ask']>): ReturnType<Virsh['ask']> {
          return virsh.ask(...args);
        }
      }
      const elsewhere = new Elsewhere({ ...virsh.shell, run }, parseAddress(lab.uri).uri);
      return checkHostNeeds({ virsh: elsewhere, settings }, vm);
    };
    await checked(':');
    await expect(checked('set -- setpriv --reuid 65534 --clear-groups "$@"')).rejects.toMatchObject({
      code: 'NotPermitted',
      why: expect.stringContaining('_VARS.fd') as string,
    });
    // `shift` leaves the name of the shell out, which is found by its path.
    await expect(checked(`shift; set -- /bin/sh "$@"; PATH=${images}`)).rejects.toMatchObject({
      code: 'ProgramMissing',
      why: expect.stringContaining('qemu-nbd') as string,
    });
    await rm(join(images, `${uuid.slice(0, 8)}_VARS.fd`));
    await checked(':');
    expect(await isAutostarted(virsh, vm)).toBe(false);
    await virsh.run('start it with the host', ['autostart', uuid]);
    expect(await isAutostarted(virsh, vm)).toBe(true);
  });
});

describe('a guest agent', () => {
  const agentThatSays = (why: string): GuestAgent => {
    class Deaf extends Virsh {
      override run(what: string): Promise<string> {
        return Promise.reject(new EverthawError({ code: 'QuiesceFailed', what, why, hint: '-' }));
      }
    }
    return new GuestAgent(new Deaf(virsh.shell, ''), randomUUID());
  };

  it('is taken for none of Windows only where it is too old to say', async () => {
    expect(await agentThatSays('The command guest-get-osinfo has not been found').isWindows()).toBe(false);
    await expect(agentThatSays('Guest agent is not responding').isWindows()).rejects.toMatchObject({
      code: 'QuiesceFailed',
    });
  });
});

describe('a domain that nobody would write', () => {
  it('is in no other’s way, and is told of when it is asked for', async () => {
    const uuid = await vms.defineVm('usual');
    const odd = randomUUID();
    const xml = `<domain type='qemu'><name>odd</name><uuid>${odd}</uuid><memory>65536</memory>
      <os><type arch='x86_64'>hvm</type></os><devices>
        <disk type='file' device='disk'><source file='/a'/><target dev='sda' bus='scsi'/>
          <address type='drive' controller='0' bus='0' target='0' unit='1'/></disk>
        <disk type='file' device='disk'><source file='/b'/><target dev='sdb' bus='scsi'/>
          <address type='drive' controller='0' bus='0' target='0' unit='2'/></disk>
      </devices></domain>`;
    await define(virsh, 'define', xml);
    const seen = new OddVirsh(virsh.shell, parseAddress(lab.uri).uri);
    expect(await findVms(seen, { kind: 'moref', value: uuid })).toMatchObject([{ name: 'usual' }]);
    await expect(findVms(seen, { kind: 'name', value: 'odd' })).rejects.toMatchObject({ code: 'HostFault' });
    await seen.close();
    await virsh.run('remove it', ['undefine', odd]);
  });
});

describe('a domain that ends while all are asked for their disks', () => {
  it('hides no other’s holds', async () => {
    const uuid = await vms.defineVm('staying');
    const settings = LIBVIRT_SETTINGS.parse({});
    let refused = 0;
    class Ending extends Virsh {
      override async ask(...args: Parameters<Virsh['ask']>): ReturnType<Virsh['ask']> {
        if (!args[1].includes('domstats') || refused === 3) return virsh.ask(...args);
        refused += 1;
        return {
          output: '',
          said: 'error: Requested operation is not valid: domain is not running',
        };
      }
    }
    const roots = await allRoots({ virsh: new Ending(virsh.shell, ''), settings });
    expect(refused).toBe(3);
    expect(roots).toContain(images);
    await virsh.run('remove it', ['undefine', uuid, '--keep-nvram']);
  });
});

/** A libvirt that tells two disks of a domain in the same place, as an older one may. */
class OddVirsh extends Virsh {
  override async ask(...args: Parameters<Virsh['ask']>): ReturnType<Virsh['ask']> {
    const answer = await super.ask(...args);
    return { ...answer, output: answer.output.replaceAll("unit='2'", "unit='1'") };
  }
}
