import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, stat, statfs, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EverthawError } from '../../src/domain/errors.js';
import type { ManifestDisk } from '../../src/domain/manifest.js';
import type { RestorePlace } from '../../src/domain/restores.js';
import type { VmDescription } from '../../src/domain/vm.js';
import { runProgram } from '../../src/system/program.js';
import { runUpload } from '../../src/disks/upload.js';
import type { ImportRequest } from '../../src/hosts/exports.js';
import { parseConfiguration } from '../../src/hosts/libvirt/xml/configuration.js';
import { createVm } from '../../src/hosts/libvirt/restore/createVm.js';
import { define } from '../../src/hosts/libvirt/restore/define.js';
import { describeVm } from '../../src/hosts/libvirt/inventory/description.js';
import { destroyVm } from '../../src/hosts/libvirt/restore/destroyVm.js';
import { editDomain, setName, setUuid } from '../../src/hosts/libvirt/xml/domainEdit.js';
import { parseDomain } from '../../src/hosts/libvirt/xml/domainXml.js';
import {
  deletePath,
  makeDirectory,
  readText,
  uploadFile,
} from '../../src/hosts/libvirt/restore/hostFiles.js';
import { readIdentity } from '../../src/hosts/libvirt/connection/identity.js';
import { importWay } from '../../src/hosts/libvirt/restore/importWay.js';
import { findVms } from '../../src/hosts/libvirt/inventory/inventory.js';
import { holdPath, writeRecords } from '../../src/hosts/libvirt/snapshot/holdDirectory.js';
import { allRoots } from '../../src/hosts/libvirt/snapshot/holdRoots.js';
import { checkHostNeeds } from '../../src/hosts/libvirt/connection/hostNeeds.js';
import { localShell, type HostShell } from '../../src/system/hostShell.js';
import { isAutostarted } from '../../src/hosts/libvirt/inventory/unkeptParts.js';
import { GuestAgent } from '../../src/hosts/libvirt/guest/guestAgent.js';
import { LibvirtGuest } from '../../src/hosts/libvirt/guest/libvirtGuest.js';
import { LIBVIRT_SETTINGS } from '../../src/hosts/libvirt/connection/settings.js';
import { parseAddress } from '../../src/hosts/libvirt/connection/libvirtUri.js';
import { listMarkedVms, unmarkVm } from '../../src/hosts/libvirt/restore/marks.js';
import { writeRestored } from '../../src/hosts/libvirt/xml/metadata.js';
import { powerOn } from '../../src/hosts/libvirt/restore/power.js';
import { renameVm } from '../../src/hosts/libvirt/restore/renameVm.js';
import { findPlace } from '../../src/hosts/libvirt/restore/restorePlace.js';
import { setIdentity } from '../../src/hosts/libvirt/restore/setIdentity.js';
import { Virsh } from '../../src/hosts/libvirt/connection/virsh.js';
import { downloadVmFile, listVmFiles } from '../../src/hosts/libvirt/inventory/vmFiles.js';
import { LabLibvirt } from '../lab/libvirt.js';
import { run } from '../lab/run.js';

const NEVER = new AbortController().signal;
const PARTS = { answers: () => Promise.resolve(false), listSnapshots: () => Promise.resolve([]) };

let lab: LabLibvirt;
let virsh: Virsh;
let images: string;
let backup: string;

beforeAll(async () => {
  lab = await LabLibvirt.start();
  const { uri } = parseAddress(lab.uri);
  virsh = new Virsh(localShell, uri);
  images = join(lab.directory, 'images');
  backup = join(lab.directory, 'backup');
  for (const directory of [images, backup]) await mkdir(directory);
});

afterAll(() => lab.stop());

/** A VM that was never started, with a raw disk and a qcow2 one above a base, NVRAM and an empty drive. */
async function defineVm(name: string, directory = images): Promise<string> {
  const uuid = randomUUID();
  const file = (end: string): string => join(directory, `${uuid.slice(0, 8)}${end}`);
  await mkdir(directory, { recursive: true });
  await writeFile(file('.raw'), `raw of ${name}`);
  await truncate(file('.raw'), 8 * MIB);
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', file('-base.qcow2'), '16M']);
  await run('qemu-io', ['-c', 'write -P 7 1M 64k', file('-base.qcow2')]);
  await run('qemu-img', [
    ...['create', '-q', '-f', 'qcow2', '-b', file('-base.qcow2'), '-F', 'qcow2', file('.qcow2')],
  ]);
  await writeFile(file('_VARS.fd'), `variables of ${name}`);
  const xml = `<domain type='qemu'>
      <name>x</name><uuid>${uuid}</uuid><memory unit='MiB'>64</memory>
      <os><type arch='x86_64' machine='q35'>hvm</type>
        <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>
        <nvram>${file('_VARS.fd')}</nvram></os>
      <features><acpi/></features>
      <devices>
        <disk type='file' device='disk'><driver name='qemu' type='raw'/>
          <source file='${file('.raw')}'/><target dev='vda' bus='virtio'/></disk>
        <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
          <source file='${file('.qcow2')}'/><target dev='sda' bus='scsi'/></disk>
        <disk type='file' device='cdrom'>
          <source file='/gone.iso'/><target dev='sdb' bus='sata'/><readonly/></disk>
        <interface type='user'><mac address='52:54:00:00:00:01'/></interface>
        <graphics type='vnc' passwd='s3cret' port='-1' autoport='yes'/>
      </devices>
    </domain>`;
  const named = editDomain(xml, (tree) => {
    setName(tree, name);
  });
  await define(virsh, 'define', named);
  return uuid;
}

const MIB = 1024 * 1024;

interface Backup {
  readonly vm: VmDescription;
  readonly disks: ImportRequest['disks'];
}

/** What a backup keeps of a VM, by qemu-img. */
async function backUp(uuid: string): Promise<Backup> {
  const vm = await describeVm(virsh, uuid, PARTS);
  const formats: readonly ManifestDisk['format'][] = ['vmdk-sparse', 'qcow2'];
  const disks = [];
  for (const [index, { label, path, capacityBytes }] of vm.disks.entries()) {
    const format = formats[index]!;
    const file = `${label.replace(':', '-')}.${format === 'qcow2' ? 'qcow2' : 'vmdk'}`;
    const output = format === 'qcow2' ? 'qcow2' : 'vmdk';
    await run('qemu-img', ['convert', '-O', output, path, join(backup, file)]);
    const disk = { label, capacityBytes, file, format, originalPath: path };
    disks.push({ disk, sizeBytes: (await stat(join(backup, file))).size });
  }
  const nvram = await downloadVmFile(virsh, { role: 'nvram', path: 'nvram.fd' }, uuid);
  await writeFile(join(backup, 'nvram.fd'), (await run(nvram.program, nvram.args)).stdout);
  return { vm, disks };
}

async function upload(
  place: RestorePlace,
  directory: string,
  { disks }: Pick<Backup, 'disks'>,
): Promise<void> {
  await makeDirectory(virsh.shell, place, directory);
  for (const file of [...disks.map(({ disk }) => disk.file), 'nvram.fd']) {
    const from = join(backup, file);
    await runUpload(
      uploadFile(virsh.shell, place, `${directory}/${file}`, from),
      from,
      () => undefined,
      NEVER,
    );
  }
}

function requestOf({ vm, disks }: Backup, place: RestorePlace, name: string): ImportRequest {
  const { configuration, instanceUuid } = vm;
  return { name, configuration, disks, place, instanceUuid, newAddresses: false, mark: `mark of ${name}` };
}

describe('finding and describing libvirt VMs', () => {
  const NAME = 'a "hard" name, 日本; echo $(id) & --id 1';
  let uuid: string;

  beforeAll(async () => {
    uuid = await defineVm(NAME);
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
    const other = await defineVm(name);
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
    const uuid = await defineVm('owed');
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
    const uuid = await defineVm('needy');
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
    const uuid = await defineVm('usual');
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
    const uuid = await defineVm('staying');
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

describe('restoring to libvirt', () => {
  it('brings disks back in the form they had, flattened, and makes the VM, however often it is begun', async () => {
    const uuid = await defineVm('whole');
    const kept = await backUp(uuid);
    expect(importWay(kept.disks.map(({ disk }) => disk))).toBe('upload');
    const place = await findPlace(virsh, { vm: kept.vm, disks: kept.disks.map(({ disk }) => disk) });
    expect(place).toEqual({ storage: images, ids: { directory: images, network: '' } });
    await upload(place, 'whole-12345678', kept);
    const request = { ...requestOf(kept, place, 'whole.restoring'), newAddresses: true };
    const made = await createVm(virsh, request, 'whole-12345678', NEVER);
    expect(await createVm(virsh, request, 'whole-12345678', NEVER)).toEqual(made);
    expect(made.instanceUuid).not.toBe(uuid);
    expect(await listMarkedVms(virsh)).toEqual([
      { ...made, name: 'whole.restoring', powerState: 'off', mark: request.mark },
    ]);
    const directory = join(images, 'whole-12345678');
    const restored = await describeVm(virsh, made.instanceUuid, PARTS);
    expect(restored.disks.map(({ path }) => path)).toEqual([
      join(directory, 'virtio0-0.raw'),
      join(directory, 'scsi0-0.qcow2'),
    ]);
    for (const [index, { path }] of restored.disks.entries())
      await run('qemu-img', ['compare', path, kept.vm.disks[index]!.path]);
    const xml = parseDomain(parseConfiguration(restored.configuration).xml);
    expect(xml.disks.map(({ format }) => format)).toEqual(['raw', 'qcow2', 'raw']);
    expect(xml.disks[2]?.path).toBeUndefined();
    expect(await readFile(xml.nvram ?? '', 'utf8')).toBe('variables of whole');
    expect(parseConfiguration(restored.configuration).xml).not.toContain('52:54:00:00:00:01');
    expect((await stat(join(directory, 'virtio0-0.raw'))).mode & 0o777).toBe(0o600);

    await virsh.run('remove the original', ['undefine', uuid, '--keep-nvram']);
    await renameVm(virsh, made.moref, 'whole');
    await renameVm(virsh, made.moref, 'whole');
    await unmarkVm(virsh, made.moref);
    await unmarkVm(virsh, made.moref);
    expect(await listMarkedVms(virsh)).toEqual([]);
    await setIdentity(virsh, made.moref, uuid);
    await setIdentity(virsh, made.moref, uuid);
    expect(await findVms(virsh, { kind: 'name', value: 'whole' })).toEqual([
      { instanceUuid: uuid, biosUuid: uuid, moref: made.moref, name: 'whole', powerState: 'off' },
    ]);
    // The next restore goes beside it, not into it.
    const again = { vm: kept.vm, disks: [{ originalPath: join(directory, 'virtio0-0.raw') }] };
    expect((await findPlace(virsh, again)).storage).toBe(images);
    expect(await destroyVm(virsh, made.moref)).toEqual([]);
    expect(await destroyVm(virsh, made.moref)).toEqual([]);
    await expect(stat(directory)).rejects.toMatchObject({ code: 'ENOENT' });
    expect((await findPlace(virsh, again)).storage).toBe(images);
  });

  it('sets an identity from wherever an attempt was killed', async () => {
    const uuid = await defineVm('identity');
    const kept = await backUp(uuid);
    await virsh.run('remove the original', ['undefine', uuid, '--keep-nvram']);
    const place = { storage: images, ids: { directory: images, network: '' } };
    for (const steps of [1, 2, 3]) {
      const directory = `identity-${steps}`;
      await upload(place, directory, kept);
      const request = { ...requestOf(kept, place, 'identity'), instanceUuid: randomUUID() };
      const { moref, instanceUuid: old } = await createVm(virsh, request, directory, NEVER);
      await unmarkVm(virsh, moref);
      const xml = await virsh.run('read', ['dumpxml', '--inactive', old]);
      const standIn = editDomain(xml, (tree) => {
        setUuid(tree, uuid);
        setName(tree, 'identity.taking');
        writeRestored(tree, { id: moref, uuid, becomes: { instead: old, name: 'identity' } });
      });
      // What a kill behind each step leaves.
      await define(virsh, 'stand in', standIn);
      if (steps > 1) await virsh.run('remove', ['undefine', old, '--keep-nvram']);
      if (steps > 2) await virsh.run('rename', ['domrename', uuid, 'identity']);
      expect((await findVms(virsh, { kind: 'moref', value: moref })).length).toBe(1);
      await setIdentity(virsh, moref, uuid);
      const [vm] = await findVms(virsh, { kind: 'uuid', value: uuid });
      expect(vm).toMatchObject({ moref, instanceUuid: uuid, name: 'identity' });
      expect((await findVms(virsh, { kind: 'uuid', value: old })).length).toBe(0);
      expect(parseDomain(await virsh.run('read', ['dumpxml', uuid])).restored?.becomes).toBeUndefined();
      await virsh.run('remove', ['undefine', uuid, '--keep-nvram']);
    }
  });

  it('finishes disks from wherever an attempt was killed', async () => {
    const uuid = await defineVm('killed');
    const kept = await backUp(uuid);
    const place = { storage: images, ids: { directory: images, network: '' } };
    await upload(place, 'killed-1', kept);
    const file = (name: string): string => join(images, 'killed-1', name);
    // Half a conversion is begun again; one behind its renaming is not.
    await writeFile(file('virtio0-0.raw.part'), 'half');
    const request = requestOf(kept, place, 'killed.restoring');
    const { moref } = await createVm(virsh, request, 'killed-1', NEVER);
    await run('qemu-img', ['compare', file('virtio0-0.raw'), kept.vm.disks[0]!.path]);
    await virsh.run('remove', ['undefine', 'killed.restoring', '--keep-nvram']);
    await writeFile(file('virtio0-0.vmdk'), 'not removed yet');
    const again = await createVm(virsh, request, 'killed-1', NEVER);
    expect(again.moref).not.toBe(moref);
    await run('qemu-img', ['compare', file('virtio0-0.raw'), kept.vm.disks[0]!.path]);
    await expect(stat(file('virtio0-0.vmdk'))).rejects.toMatchObject({ code: 'ENOENT' });
    await destroyVm(virsh, again.moref);
  });

  it('starts a VM once, and touches none that runs', async () => {
    const uuid = randomUUID();
    const xml = `<domain type='qemu'><name>runs</name><uuid>${uuid}</uuid><memory>65536</memory>
      <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>`;
    await define(virsh, 'define', xml);
    await powerOn(virsh, uuid);
    await powerOn(virsh, uuid);
    expect(await findVms(virsh, { kind: 'uuid', value: uuid })).toMatchObject([{ powerState: 'on' }]);
    for (const refused of [
      () => destroyVm(virsh, uuid),
      () => renameVm(virsh, uuid, 'other'),
      () => setIdentity(virsh, uuid, randomUUID()),
    ])
      await expect(refused()).rejects.toMatchObject({ code: 'VmInUse' });
    await virsh.run('save', ['managedsave', uuid]);
    expect(await findVms(virsh, { kind: 'uuid', value: uuid })).toMatchObject([{ powerState: 'suspended' }]);
    await virsh.run('remove', ['undefine', uuid, '--managed-save']);
  });

  it('removes no image that is not ours, that another VM names, or that another image lies above', async () => {
    const original = await defineVm('foreign');
    const left = await destroyVm(virsh, original);
    for (const [index, end] of ['.raw', '.qcow2'].entries()) {
      const path = join(images, `${original.slice(0, 8)}${end}`);
      expect(left[index]).toContain(`${path} of the removed VM "foreign" was left`);
      await stat(path);
    }
    const kept = await (async () => {
      const uuid = await defineVm('template');
      return { uuid, backup: await backUp(uuid) };
    })();
    const place = { storage: images, ids: { directory: images, network: '' } };
    await upload(place, 'template-1', kept.backup);
    const { moref } = await createVm(
      virsh,
      requestOf(kept.backup, place, 'template.restoring'),
      'template-1',
      NEVER,
    );
    await unmarkVm(virsh, moref);
    const linked = join(images, 'linked.qcow2');
    const upon = join(images, 'template-1/scsi0-0.qcow2');
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', upon, '-F', 'qcow2', linked]);
    await define(
      virsh,
      'define',
      `<domain type='qemu'><name>linked</name><memory>65536</memory><os><type>hvm</type></os><devices>
        <disk type='file'><driver type='qcow2'/><source file='${linked}'/><target dev='vda'/></disk>
        <disk type='file'><source file='${join(images, 'template-1/nvram.fd')}'/><target dev='vdb'/></disk>
      </devices></domain>`,
    );
    expect(await destroyVm(virsh, moref)).toEqual([expect.stringContaining(`${upon} of the removed VM`)]);
    await stat(upon);
    await stat(join(images, 'template-1/nvram.fd'));
  });

  it('refuses a disk that says that its data are in another file', async () => {
    const uuid = await defineVm('trap');
    const kept = await backUp(uuid);
    const place = { storage: images, ids: { directory: images, network: '' } };
    const file = join(backup, 'scsi0-0.qcow2');
    await run('qemu-img', [
      'create',
      '-q',
      '-u',
      '-f',
      'qcow2',
      '-b',
      '/etc/hostname',
      '-F',
      'raw',
      file,
      '16M',
    ]);
    await upload(place, 'trap-1', kept);
    await expect(
      createVm(virsh, requestOf(kept, place, 'trap.restoring'), 'trap-1', NEVER),
    ).rejects.toMatchObject({ code: 'BackupDamaged' });
  });

  it('keeps to its directory, whatever it is told', async () => {
    const place = { storage: images, ids: { directory: images, network: '' } };
    const { shell } = virsh;
    for (const path of ['', '.', '..', '../x', '/etc', 'a/../../b', 'a//b', 'a/']) {
      await expect(deletePath(shell, place, path)).rejects.toMatchObject({ code: 'WrongUsage' });
      await expect(makeDirectory(shell, place, path)).rejects.toMatchObject({ code: 'WrongUsage' });
      expect(() => uploadFile(shell, place, path, '/etc/hostname')).toThrow(/does not lie below/);
    }
    const victim = join(lab.directory, 'victim');
    await mkdir(victim);
    await writeFile(join(victim, 'file'), 'precious');
    await symlink(victim, join(images, 'link'));
    await expect(deletePath(shell, place, 'link/file')).rejects.toMatchObject({ code: 'HostFault' });
    await expect(runProgram(uploadFile(shell, place, 'link/file', '/etc/hostname'))).rejects.toMatchObject({
      code: 'ProgramFailed',
    });
    await deletePath(shell, place, 'link');
    expect(await readFile(join(victim, 'file'), 'utf8')).toBe('precious');
    await makeDirectory(shell, place, '-rf * "x"');
    await deletePath(shell, place, '-rf * "x"');
    await deletePath(shell, place, '-rf * "x"');
    expect(await readText(shell, place, 'nothing/here')).toBeUndefined();
  });

  it('takes no place for one that is none: devices, and what is too small', async () => {
    const vm = { folderPath: '/', resourcePool: '' };
    const device = { originalPath: '/dev/vg/lv' };
    const file = { originalPath: join(images, 'x.raw') };
    await expect(findPlace(virsh, { vm, disks: [device] })).rejects.toMatchObject({
      code: 'RestorePlaceMissing',
      message: expect.stringMatching(/none of the VM's disks was a file.*--storage/) as string,
    });
    expect((await findPlace(virsh, { vm, disks: [device, file] })).storage).toBe(images);
    expect((await findPlace(virsh, { vm, disks: [device], storage: images })).storage).toBe(images);
    await expect(findPlace(virsh, { vm, disks: [file], storage: '/dev' })).rejects.toMatchObject({
      code: 'RestorePlaceMissing',
      why: expect.stringContaining('no place for files') as string,
    });
    const free = (await statfs(images)).bavail * (await statfs(images)).bsize;
    const kept = { ...file, label: 'virtio0:0', format: 'qcow2', sizeBytes: Math.round(free * 0.6) } as const;
    expect((await findPlace(virsh, { vm, disks: [kept] })).storage).toBe(images);
    // A disk that was raw is there in both forms for a while.
    const disks = [{ label: 'virtio0:0', target: 'vda', path: '/x.raw', format: 'raw' }];
    const wasRaw = { ...vm, configuration: { xml: '', disks } };
    await expect(findPlace(virsh, { vm: wasRaw, disks: [kept] })).rejects.toMatchObject({
      code: 'HostStorageFull',
      hint: expect.stringContaining('--storage') as string,
    });
  });

  it('says which place is missing', async () => {
    const wish = { vm: { folderPath: '/', resourcePool: '' }, disks: [{ originalPath: '/gone/a.raw' }] };
    for (const [storage, network, why] of [
      [undefined, undefined, 'there is no such directory'],
      ['relative', undefined, 'it is no directory of the host'],
      [images, 'nowhere', 'libvirt has none of that name'],
    ] as const) {
      const place = findPlace(virsh, {
        ...wish,
        ...(storage === undefined ? {} : { storage }),
        ...(network === undefined ? {} : { network }),
      });
      await expect(place).rejects.toMatchObject({
        code: 'RestorePlaceMissing',
        why: expect.stringContaining(why) as string,
      });
    }
  });
});
