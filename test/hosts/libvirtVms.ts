import { randomUUID } from 'node:crypto';
import { mkdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ManifestDisk } from '../../src/domain/manifest.js';
import type { RestorePlace } from '../../src/domain/restores.js';
import type { VmDescription } from '../../src/domain/vm.js';
import { runUpload } from '../../src/disks/upload.js';
import type { ImportRequest } from '../../src/hosts/exports.js';
import { define } from '../../src/hosts/libvirt/restore/define.js';
import { describeVm } from '../../src/hosts/libvirt/inventory/description.js';
import { editDomain, setName } from '../../src/hosts/libvirt/xml/domainEdit.js';
import { makeDirectory, uploadFile } from '../../src/hosts/libvirt/restore/hostFiles.js';
import { localShell } from '../../src/system/hostShell.js';
import { parseAddress } from '../../src/hosts/libvirt/connection/libvirtUri.js';
import { Virsh } from '../../src/hosts/libvirt/connection/virsh.js';
import { downloadVmFile } from '../../src/hosts/libvirt/inventory/vmFiles.js';
import { LabLibvirt } from '../lab/libvirt.js';
import { run } from '../lab/run.js';

export const NEVER: AbortSignal = new AbortController().signal;
export const PARTS = { answers: () => Promise.resolve(false), listSnapshots: () => Promise.resolve([]) };
export const MIB = 1024 * 1024;

export interface Backup {
  readonly vm: VmDescription;
  readonly disks: ImportRequest['disks'];
}

/** VMs of a libvirt of their own that were never started, and what a backup keeps of them. */
export class LibvirtVms {
  readonly lab: LabLibvirt;
  readonly virsh: Virsh;
  readonly images: string;
  readonly backup: string;

  private constructor(lab: LabLibvirt) {
    this.lab = lab;
    this.virsh = new Virsh(localShell, parseAddress(lab.uri).uri);
    this.images = join(lab.directory, 'images');
    this.backup = join(lab.directory, 'backup');
  }

  static async start(): Promise<LibvirtVms> {
    const vms = new LibvirtVms(await LabLibvirt.start());
    for (const directory of [vms.images, vms.backup]) await mkdir(directory);
    return vms;
  }

  stop(): Promise<void> {
    return this.lab.stop();
  }

  /** A VM that was never started, with a raw disk and a qcow2 one above a base, NVRAM and an empty drive. */
  async defineVm(name: string, directory = this.images): Promise<string> {
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
    await define(this.virsh, 'define', named);
    return uuid;
  }

  /** What a this.backup keeps of a VM, by qemu-img. */
  async backUp(uuid: string): Promise<Backup> {
    const vm = await describeVm(this.virsh, uuid, PARTS);
    const formats: readonly ManifestDisk['format'][] = ['vmdk-sparse', 'qcow2'];
    const disks = [];
    for (const [index, { label, path, capacityBytes }] of vm.disks.entries()) {
      const format = formats[index]!;
      const file = `${label.replace(':', '-')}.${format === 'qcow2' ? 'qcow2' : 'vmdk'}`;
      const output = format === 'qcow2' ? 'qcow2' : 'vmdk';
      await run('qemu-img', ['convert', '-O', output, path, join(this.backup, file)]);
      const disk = { label, capacityBytes, file, format, originalPath: path };
      disks.push({ disk, sizeBytes: (await stat(join(this.backup, file))).size });
    }
    const nvram = await downloadVmFile(this.virsh, { role: 'nvram', path: 'nvram.fd' }, uuid);
    await writeFile(join(this.backup, 'nvram.fd'), (await run(nvram.program, nvram.args)).stdout);
    return { vm, disks };
  }

  async upload(place: RestorePlace, directory: string, { disks }: Pick<Backup, 'disks'>): Promise<void> {
    await makeDirectory(this.virsh.shell, place, directory);
    for (const file of [...disks.map(({ disk }) => disk.file), 'nvram.fd']) {
      const from = join(this.backup, file);
      await runUpload(
        uploadFile(this.virsh.shell, place, `${directory}/${file}`, from),
        from,
        () => undefined,
        NEVER,
      );
    }
  }
}

export function requestOf({ vm, disks }: Backup, place: RestorePlace, name: string): ImportRequest {
  const { configuration, instanceUuid } = vm;
  return { name, configuration, disks, place, instanceUuid, newAddresses: false, mark: `mark of ${name}` };
}
