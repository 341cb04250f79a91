import { randomUUID } from 'node:crypto';
import { mkdir, readFile, stat, statfs, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from '../../src/system/program.js';
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
import { importWay } from '../../src/hosts/libvirt/restore/importWay.js';
import { findVms } from '../../src/hosts/libvirt/inventory/inventory.js';
import { listMarkedVms, unmarkVm } from '../../src/hosts/libvirt/restore/marks.js';
import { writeRestored } from '../../src/hosts/libvirt/xml/metadata.js';
import { powerOn } from '../../src/hosts/libvirt/restore/power.js';
import { renameVm } from '../../src/hosts/libvirt/restore/renameVm.js';
import { findPlace } from '../../src/hosts/libvirt/restore/restorePlace.js';
import { setIdentity } from '../../src/hosts/libvirt/restore/setIdentity.js';
import type { Virsh } from '../../src/hosts/libvirt/connection/virsh.js';
import type { LabLibvirt } from '../lab/libvirt.js';
import { run } from '../lab/run.js';
import { LibvirtVms, NEVER, PARTS, requestOf } from './libvirtVms.js';

let vms: LibvirtVms;
let lab: LabLibvirt;
let virsh: Virsh;
let images: string;
let backup: string;

beforeAll(async () => {
  vms = await LibvirtVms.start();
  ({ lab, virsh, images, backup } = vms);
});

afterAll(() => vms.stop());

describe('restoring to libvirt', () => {
  it('brings disks back in the form they had, flattened, and makes the VM, however often it is begun', async () => {
    const uuid = await vms.defineVm('whole');
    const kept = await vms.backUp(uuid);
    expect(importWay(kept.disks.map(({ disk }) => disk))).toBe('upload');
    const place = await findPlace(virsh, { vm: kept.vm, disks: kept.disks.map(({ disk }) => disk) });
    expect(place).toEqual({ storage: images, ids: { directory: images, network: '' } });
    await vms.upload(place, 'whole-12345678', kept);
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
    const uuid = await vms.defineVm('identity');
    const kept = await vms.backUp(uuid);
    await virsh.run('remove the original', ['undefine', uuid, '--keep-nvram']);
    const place = { storage: images, ids: { directory: images, network: '' } };
    for (const steps of [1, 2, 3]) {
      const directory = `identity-${steps}`;
      await vms.upload(place, directory, kept);
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
    const uuid = await vms.defineVm('killed');
    const kept = await vms.backUp(uuid);
    const place = { storage: images, ids: { directory: images, network: '' } };
    await vms.upload(place, 'killed-1', kept);
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
    const original = await vms.defineVm('foreign');
    const left = await destroyVm(virsh, original);
    for (const [index, end] of ['.raw', '.qcow2'].entries()) {
      const path = join(images, `${original.slice(0, 8)}${end}`);
      expect(left[index]).toContain(`${path} of the removed VM "foreign" was left`);
      await stat(path);
    }
    const kept = await (async () => {
      const uuid = await vms.defineVm('template');
      return { uuid, backup: await vms.backUp(uuid) };
    })();
    const place = { storage: images, ids: { directory: images, network: '' } };
    await vms.upload(place, 'template-1', kept.backup);
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
    const uuid = await vms.defineVm('trap');
    const kept = await vms.backUp(uuid);
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
    await vms.upload(place, 'trap-1', kept);
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
