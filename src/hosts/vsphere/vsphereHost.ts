import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding } from '../../domain/finding.js';
import type { Absence } from '../../domain/holding.js';
import { EverthawError, isErrorWithCode } from '../../domain/errors.js';
import type { ManifestDisk } from '../../domain/manifest.js';
import { PLACE_KINDS, type Place, type PlaceKind } from '../../domain/place.js';
import { formatTransport, parseTransport, type Transport } from '../../domain/transport.js';
import type { DiskDescription, SnapshotInfo, VmDescription, VmFile, VmSummary } from '../../domain/vm.js';
import type { VmSpec } from '../../domain/vmSpec.js';
import type { SourceProgram } from '../../system/sourceProgram.js';
import type { DiskExport, DiskImport, ImportRequest, LeaseNotes } from '../exports.js';
import type { Host, HostIdentity, MarkedVm, SnapshotRequest, SnapshotTaken, VmDetail } from '../host.js';
import type { ImportWay, RestorePlace, RestoreWish } from '../../domain/restores.js';
import { datastoreRefusal, downloadProgram, openDatastoreDisk, uploadProgram } from './datastoreAccess.js';
import { deletePath, listDirectory, makeDirectory, readText, writeText } from './datastoreFiles.js';
import { parseDatastorePath } from './datastorePath.js';
import { describeVm, listVmFiles } from './description.js';
import { examineVm } from './examineVm.js';
import { existingFiles, findPlace } from './findPlace.js';
import { createVm, importWay, openImportLease } from './imports.js';
import { encodeName, findVm, findVms, placeOf } from './inventory.js';
import { abortLease, openExportLease } from './leases.js';
import { listMarkedVms, unmarkVm } from './mark.js';
import { vspherePlace } from './place.js';
import { listPlaces } from './places.js';
import { readAll, runTask } from './properties.js';
import { checkRoom, USUAL_DATASTORE_FLOOR_BYTES } from './room.js';
import { returnText } from './soapClient.js';
import { VsphereSession, type SessionStore, type VsphereAddress } from './session.js';
import {
  commitSnapshot,
  listAllSnapshots,
  listSnapshots,
  snapshotAbsence,
  takeSnapshot,
} from './snapshots.js';
import { ref, text } from './xml.js';

/** A vCenter Server or a standalone ESX host, over vim25 SOAP. */
export class VsphereHost implements Host {
  readonly identity: HostIdentity;
  readonly guest = { scriptsRunBy: 'VMware Tools, within the quiesced snapshot' };
  readonly transports = [parseTransport('nbdssl:lease'), parseTransport('nbdssl:datastore')];
  readonly placeKinds = PLACE_KINDS;
  readonly #session: VsphereSession;
  /** PEM file for native tools: the user's CA, or the certificate that the thumbprint vouched for. */
  readonly #caFile: string | undefined;
  readonly #datastoreFloorBytes: number;

  private constructor(
    session: VsphereSession,
    identity: HostIdentity,
    caFile: string | undefined,
    datastoreFloorBytes: number,
  ) {
    this.#session = session;
    this.#datastoreFloorBytes = datastoreFloorBytes;
    this.identity = identity;
    this.#caFile = caFile;
  }

  /** Logs in, or goes on with the session in the store. `directory` is for the certificate's copy. */
  static async open(
    at: VsphereAddress,
    store: SessionStore,
    directory: string,
    datastoreFloorBytes = USUAL_DATASTORE_FLOOR_BYTES,
  ): Promise<VsphereHost> {
    const session = new VsphereSession(at, store);
    const { product } = await session.content();
    const instanceUuid = await hostUuid(session);
    const pinned = await session.pinned();
    let { caFile } = at.trust;
    if (pinned !== undefined) {
      caFile = join(directory, `${instanceUuid}.pem`);
      await mkdir(directory, { recursive: true });
      await writeFile(caFile, pinned.pem);
    }
    const identity = { uuid: instanceUuid, product, address: at.address };
    return new VsphereHost(session, identity, caFile, datastoreFloorBytes);
  }

  async now(): Promise<Date> {
    return new Date(
      returnText(
        await this.#session.call(
          'read the host’s clock',
          ref('ServiceInstance', 'ServiceInstance'),
          'CurrentTime',
        ),
      ),
    );
  }

  async logout(): Promise<void> {
    await this.#session.logout();
    await this.#session.close();
  }

  findVms(spec: VmSpec, detail: VmDetail = {}): Promise<readonly VmSummary[]> {
    return findVms(this.#session, spec, detail);
  }

  listPlaces(kind: PlaceKind): Promise<readonly Place[]> {
    return listPlaces(this.#session, kind);
  }

  describeVm(instanceUuid: string): Promise<VmDescription> {
    return describeVm(this.#session, instanceUuid);
  }

  listVmFiles(instanceUuid: string): Promise<readonly VmFile[]> {
    return listVmFiles(this.#session, instanceUuid);
  }

  async download(file: VmFile, instanceUuid: string): Promise<SourceProgram> {
    const { datastore, path } = parseDatastorePath(file.path);
    const { datacenter } = await placeOf(this.#session, await findVm(this.#session, instanceUuid));
    return downloadProgram(this.#session, { datacenter, datastore }, path, this.#caFile);
  }

  takeSnapshot(instanceUuid: string, request: SnapshotRequest, signal: AbortSignal): Promise<SnapshotTaken> {
    return takeSnapshot(this.#session, instanceUuid, request, signal);
  }

  listSnapshots(instanceUuid: string): Promise<readonly SnapshotInfo[]> {
    return listSnapshots(this.#session, instanceUuid);
  }

  commitSnapshot(instanceUuid: string, snapshotId: string): Promise<void> {
    return commitSnapshot(this.#session, instanceUuid, snapshotId);
  }

  snapshotAbsence(instanceUuid: string, ours: (snapshot: SnapshotInfo) => boolean): Promise<Absence> {
    return snapshotAbsence(this.#session, instanceUuid, ours);
  }

  listAllSnapshots(
    name: string,
  ): Promise<readonly { vmUuid: string; vmName: string; snapshot: SnapshotInfo }[]> {
    return listAllSnapshots(this.#session, name);
  }

  async refusalOf({ via }: Transport, vm: VmDescription, disk: DiskDescription): Promise<string | undefined> {
    return via === 'datastore' ? datastoreRefusal(this.#session, vm.instanceUuid, disk) : undefined;
  }

  async checkVm({ name, instanceUuid }: VmDescription): Promise<readonly string[]> {
    await checkRoom(this.#session, instanceUuid, this.#datastoreFloorBytes, `back up "${name}"`);
    return [];
  }

  examine(vm: VmDescription, transport: Transport, restoring: boolean): Promise<readonly Finding[]> {
    return examineVm(this.#session, vm, transport, restoring);
  }

  /** A transfer lives in its session: to be asked something is a sign of life to it. */
  watchVm(instanceUuid: string): Promise<void> {
    const what = `go on with the backup of VM ${instanceUuid}`;
    return checkRoom(this.#session, instanceUuid, this.#datastoreFloorBytes, what);
  }

  openDisk(
    { via }: Transport,
    instanceUuid: string,
    snapshotId: string,
    disk: DiskDescription,
    notes: LeaseNotes,
  ): Promise<DiskExport> {
    switch (via) {
      case 'lease':
        return openExportLease(this.#session, snapshotId, disk, notes);
      case 'datastore':
        return openDatastoreDisk(this.#session, instanceUuid, snapshotId, disk, this.#caFile);
      case 'export':
        throw new EverthawError({
          code: 'TransportRefused',
          what: `read disk ${disk.label}`,
          why: 'vSphere serves no NBD export of its own',
          hint: `use ${this.transports.map(formatTransport).join(' or ')}`,
        });
    }
  }

  abortLease(leaseId: string): Promise<void> {
    return abortLease(this.#session, leaseId);
  }

  importWay(disks: readonly ManifestDisk[]): ImportWay {
    return importWay(disks);
  }

  findPlace(wish: RestoreWish): Promise<RestorePlace> {
    return findPlace(this.#session, wish);
  }

  existingFiles(place: RestorePlace, wish: RestoreWish): Promise<readonly string[]> {
    return existingFiles(this.#session, vspherePlace(place), wish);
  }

  openImport(request: ImportRequest, notes: LeaseNotes, signal: AbortSignal): Promise<DiskImport> {
    return openImportLease(this.#session, request, notes, signal);
  }

  makeDirectory(place: RestorePlace, directory: string): Promise<void> {
    return makeDirectory(this.#session, vspherePlace(place), directory);
  }

  uploadFile(place: RestorePlace, path: string, file: string): Promise<SourceProgram> {
    return uploadProgram(this.#session, vspherePlace(place), path, file, this.#caFile);
  }

  readText(place: RestorePlace, path: string): Promise<string | undefined> {
    return readText(this.#session, vspherePlace(place), path);
  }

  writeText(place: RestorePlace, path: string, text: string): Promise<void> {
    return writeText(this.#session, vspherePlace(place), path, text);
  }

  listDirectory(place: RestorePlace, directory: string): Promise<readonly string[] | undefined> {
    return listDirectory(this.#session, vspherePlace(place), directory);
  }

  createVm(
    request: ImportRequest,
    directory: string,
    signal: AbortSignal,
  ): Promise<{ moref: string; instanceUuid: string }> {
    return createVm(this.#session, request, directory, signal);
  }

  deletePath(place: RestorePlace, path: string): Promise<void> {
    return deletePath(this.#session, vspherePlace(place), path);
  }

  listMarkedVms(): Promise<readonly MarkedVm[]> {
    return listMarkedVms(this.#session);
  }

  unmarkVm(moref: string): Promise<void> {
    return unmarkVm(this.#session, moref);
  }

  async destroyVm(moref: string): Promise<readonly string[]> {
    try {
      await this.#vmTask(`destroy VM ${moref}`, moref, 'Destroy_Task');
    } catch (error) {
      // An import's lease that is given up takes its VM along, while this is on its way.
      if (!isErrorWithCode(error, 'VmNotFound')) throw error;
    }
    return [];
  }

  async renameVm(moref: string, name: string): Promise<void> {
    try {
      await this.#vmTask(`rename VM ${moref} to "${name}"`, moref, 'Rename_Task', {
        newName: encodeName(name),
      });
    } catch (error) {
      // Whoever was killed after it asked for this got it done.
      const [vm] = await this.findVms({ kind: 'moref', value: moref });
      if (vm?.name !== name) throw error;
    }
  }

  setIdentity(moref: string, identity: { instanceUuid: string; biosUuid: string }): Promise<void> {
    const spec = { uuid: identity.biosUuid, instanceUuid: identity.instanceUuid };
    return this.#vmTask(`give VM ${moref} its identity`, moref, 'ReconfigVM_Task', { spec });
  }

  powerOn(moref: string): Promise<void> {
    return this.#vmTask(`power on VM ${moref}`, moref, 'PowerOnVM_Task');
  }

  async #vmTask(
    what: string,
    moref: string,
    method: string,
    parameters: Record<string, string | Record<string, string>> = {},
  ): Promise<void> {
    await runTask(
      this.#session,
      what,
      ref('VirtualMachine', moref),
      method,
      parameters,
      new AbortController().signal,
    );
  }
}

/** A vCenter has an instance uuid; a standalone ESX host is told by its hardware's. */
async function hostUuid(session: VsphereSession): Promise<string> {
  const { instanceUuid } = await session.content();
  if (instanceUuid !== '') return instanceUuid;
  const [host] = await readAll(session, 'read the host’s uuid', 'HostSystem', ['hardware.systemInfo.uuid']);
  return text(host?.properties.get('hardware.systemInfo.uuid'));
}
