import { EverthawError } from '../../domain/errors.js';
import type { Finding } from '../../domain/finding.js';
import type { Absence } from '../../domain/holding.js';
import type { ManifestDisk } from '../../domain/manifest.js';
import type { ImportWay, RestorePlace, RestoreWish } from '../../domain/restores.js';
import type { Place, PlaceKind } from '../../domain/place.js';
import { formatTransport, parseTransport, type Transport } from '../../domain/transport.js';
import type { DiskDescription, SnapshotInfo, VmDescription, VmFile, VmSummary } from '../../domain/vm.js';
import type { VmSpec } from '../../domain/vmSpec.js';
import type { SourceProgram } from '../../system/sourceProgram.js';
import type { DiskExport, DiskImport, ImportRequest } from '../exports.js';
import type { Host, HostIdentity, MarkedVm, SnapshotRequest, SnapshotTaken, VmDetail } from '../host.js';
import { createVm } from './restore/createVm.js';
import { describeVm } from './inventory/description.js';
import { destroyVm } from './restore/destroyVm.js';
import { hostNow } from './connection/hostClock.js';
import { checkHostNeeds } from './connection/hostNeeds.js';
import {
  deletePath,
  listDirectory,
  makeDirectory,
  readText,
  uploadFile,
  writeText,
} from './restore/hostFiles.js';
import { readIdentity } from './connection/identity.js';
import { importWay } from './restore/importWay.js';
import { findVms } from './inventory/inventory.js';
import { listPlaces } from './inventory/places.js';
import type { Libvirt } from './connection/libvirt.js';
import { LibvirtGuest } from './guest/libvirtGuest.js';
import { parseAddress, shellOf } from './connection/libvirtUri.js';
import { listMarkedVms, unmarkVm } from './restore/marks.js';
import { powerOn } from './restore/power.js';
import { renameVm } from './restore/renameVm.js';
import { existingFiles, findPlace } from './restore/restorePlace.js';
import { examineVm } from './snapshot/examineVm.js';
import { checkVm, watchVm } from './snapshot/room.js';
import { setIdentity } from './restore/setIdentity.js';
import type { LibvirtSettings } from './connection/settings.js';
import { openExport } from './snapshot/snapshotExport.js';
import { checkTls } from './snapshot/tlsExport.js';
import { ProxySockets } from '../../system/proxySockets.js';
import { commitSnapshot, listAllSnapshots, listSnapshots, snapshotAbsence } from './snapshot/snapshots.js';
import { takeSnapshot } from './snapshot/takeSnapshot.js';
import { isAutostarted, unkeptParts } from './inventory/unkeptParts.js';
import { Virsh } from './connection/virsh.js';
import { downloadVmFile, listVmFiles } from './inventory/vmFiles.js';

/** QEMU/KVM under libvirt: this machine's, or another's over ssh. */
export class LibvirtHost implements Host {
  readonly identity: HostIdentity;
  readonly guest: LibvirtGuest;
  readonly transports: readonly Transport[];
  readonly placeKinds = ['datastores', 'networks'] as const;
  readonly #libvirt: Libvirt;
  readonly #sockets: ProxySockets;

  private constructor(libvirt: Libvirt, sockets: ProxySockets, identity: HostIdentity) {
    this.#libvirt = libvirt;
    this.#sockets = sockets;
    this.transports = [
      parseTransport(libvirt.settings.nbdTransport === 'tls' ? 'nbdssl:export' : 'nbd:export'),
    ];
    this.identity = identity;
    this.guest = new LibvirtGuest(libvirt);
  }

  static async open(
    address: string,
    settings: LibvirtSettings,
    stateDirectory: string,
  ): Promise<LibvirtHost> {
    const parsed = parseAddress(address);
    const sockets = await ProxySockets.open(stateDirectory);
    const virsh = new Virsh(shellOf(parsed, sockets), parsed.uri);
    const libvirt = { virsh, settings: { ...settings, nbdAddress: settings.nbdAddress ?? parsed.host } };
    return new LibvirtHost(libvirt, sockets, await readIdentity(virsh, address));
  }

  now(): Promise<Date> {
    return hostNow(this.#libvirt.virsh);
  }

  logout(): Promise<void> {
    return this.#libvirt.virsh.close();
  }

  findVms(spec: VmSpec, detail: VmDetail = {}): Promise<readonly VmSummary[]> {
    return findVms(this.#libvirt.virsh, spec, detail);
  }

  listPlaces(kind: PlaceKind): Promise<readonly Place[]> {
    return listPlaces(this.#libvirt.virsh, kind);
  }

  describeVm(instanceUuid: string): Promise<VmDescription> {
    return describeVm(this.#libvirt.virsh, instanceUuid, {
      answers: (uuid) => this.guest.answers(uuid),
      listSnapshots: (uuid) => this.listSnapshots(uuid),
    });
  }

  listVmFiles(instanceUuid: string): Promise<readonly VmFile[]> {
    return listVmFiles(this.#libvirt.virsh, instanceUuid);
  }

  download(file: VmFile, instanceUuid: string): Promise<SourceProgram> {
    return downloadVmFile(this.#libvirt.virsh, file, instanceUuid);
  }

  takeSnapshot(instanceUuid: string, request: SnapshotRequest, signal: AbortSignal): Promise<SnapshotTaken> {
    return takeSnapshot(this.#libvirt, instanceUuid, request, signal);
  }

  listSnapshots(instanceUuid: string): Promise<readonly SnapshotInfo[]> {
    return listSnapshots(this.#libvirt, instanceUuid);
  }

  commitSnapshot(instanceUuid: string, snapshotId: string): Promise<void> {
    return commitSnapshot(this.#libvirt, instanceUuid, snapshotId);
  }

  snapshotAbsence(instanceUuid: string, ours: (snapshot: SnapshotInfo) => boolean): Promise<Absence> {
    return snapshotAbsence(this.#libvirt, instanceUuid, ours);
  }

  listAllSnapshots(
    name: string,
  ): Promise<readonly { vmUuid: string; vmName: string; snapshot: SnapshotInfo }[]> {
    return listAllSnapshots(this.#libvirt, name);
  }

  /** What cannot be read at all is refused with the disk; the one way reads everything else. */
  refusalOf(): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }

  async checkVm(vm: VmDescription): Promise<readonly string[]> {
    const warnings = [...(await checkTls(this.#libvirt.settings)), ...(await checkVm(this.#libvirt, vm))];
    await checkHostNeeds(this.#libvirt, vm);
    return [...warnings, ...unkeptParts(vm, await isAutostarted(this.#libvirt.virsh, vm))];
  }

  examine(vm: VmDescription): Promise<readonly Finding[]> {
    return examineVm(this.#libvirt, vm);
  }

  watchVm(instanceUuid: string, snapshotId: string): Promise<void> {
    return watchVm(this.#libvirt, instanceUuid, snapshotId);
  }

  openDisk(
    transport: Transport,
    _instanceUuid: string,
    snapshotId: string,
    disk: DiskDescription,
  ): Promise<DiskExport> {
    if (transport.via === 'export') return openExport(this.#libvirt, snapshotId, disk, this.#sockets);
    throw this.#refused(
      `read disk ${disk.label} by ${formatTransport(transport)}`,
      'libvirt has no such transport',
    );
  }

  abortLease(leaseId: string): Promise<void> {
    throw this.#refused(`end lease ${leaseId}`, 'libvirt has no leases');
  }

  importWay(disks: readonly ManifestDisk[]): ImportWay {
    return importWay(disks);
  }

  findPlace(wish: RestoreWish): Promise<RestorePlace> {
    return findPlace(this.#libvirt.virsh, wish);
  }

  existingFiles(place: RestorePlace, wish: RestoreWish): Promise<readonly string[]> {
    return existingFiles(this.#libvirt.virsh, place, wish);
  }

  openImport(request: ImportRequest): Promise<DiskImport> {
    throw this.#refused(`import VM "${request.name}"`, 'libvirt takes no imports');
  }

  makeDirectory(place: RestorePlace, directory: string): Promise<void> {
    return makeDirectory(this.#libvirt.virsh.shell, place, directory);
  }

  uploadFile(place: RestorePlace, path: string, file: string): Promise<SourceProgram> {
    return Promise.resolve(uploadFile(this.#libvirt.virsh.shell, place, path, file));
  }

  readText(place: RestorePlace, path: string): Promise<string | undefined> {
    return readText(this.#libvirt.virsh.shell, place, path);
  }

  writeText(place: RestorePlace, path: string, text: string): Promise<void> {
    return writeText(this.#libvirt.virsh.shell, place, path, text);
  }

  listDirectory(place: RestorePlace, directory: string): Promise<readonly string[] | undefined> {
    return listDirectory(this.#libvirt.virsh.shell, place, directory);
  }

  createVm(
    request: ImportRequest,
    directory: string,
    signal: AbortSignal,
  ): Promise<{ moref: string; instanceUuid: string }> {
    return createVm(this.#libvirt.virsh, request, directory, signal);
  }

  deletePath(place: RestorePlace, path: string): Promise<void> {
    return deletePath(this.#libvirt.virsh.shell, place, path);
  }

  listMarkedVms(): Promise<readonly MarkedVm[]> {
    return listMarkedVms(this.#libvirt.virsh);
  }

  destroyVm(moref: string): Promise<readonly string[]> {
    return destroyVm(this.#libvirt.virsh, moref);
  }

  renameVm(moref: string, name: string): Promise<void> {
    return renameVm(this.#libvirt.virsh, moref, name);
  }

  unmarkVm(moref: string): Promise<void> {
    return unmarkVm(this.#libvirt.virsh, moref);
  }

  setIdentity(moref: string, { instanceUuid }: { instanceUuid: string }): Promise<void> {
    return setIdentity(this.#libvirt.virsh, moref, instanceUuid);
  }

  powerOn(moref: string): Promise<void> {
    return powerOn(this.#libvirt.virsh, moref);
  }

  #refused(what: string, why: string): EverthawError {
    return new EverthawError({
      code: 'TransportRefused',
      what,
      why,
      hint: `use ${this.transports.map(formatTransport).join(' or ')}`,
    });
  }
}
