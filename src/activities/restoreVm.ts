import { join } from 'node:path';
import { cancellationSignal } from '@temporalio/activity';
import { EverthawError } from '../domain/errors.js';
import { replacedName, restoringName } from '../domain/names.js';
import { formatOwner, parseOwner } from '../domain/owner.js';
import type { Step } from '../domain/runs.js';
import type { MadeVm, RestorePlace, RestorePlan, RestoreRequest } from '../domain/restores.js';
import type { Manifest, ManifestFile } from '../domain/manifest.js';
import { runUpload } from '../disks/upload.js';
import { readManifest } from '../destinations/restorePoint.js';
import { letGo } from '../holdings/kinds.js';
import { leaseNotes } from '../holdings/lease.js';
import type { ReplacedVmNote } from '../holdings/replacedVm.js';
import { UPLOAD_OWNER_FILE } from '../holdings/uploadedFile.js';
import type { ImportRequest } from '../hosts/exports.js';
import type { Host } from '../hosts/host.js';
import { hostOf, ownerOf, type Dependencies } from './dependencies.js';
import { keptAlive } from './keptAlive.js';
import { pulse } from './pulse.js';

export interface ImportInput extends Step {
  readonly request: RestoreRequest;
  readonly place: RestorePlace;
}

export interface UploadInput extends ImportInput {
  /** Directory of the datastore. */
  readonly uploadDirectory: string;
}

export interface FinishInput extends Step {
  readonly request: RestoreRequest;
  readonly plan: RestorePlan;
  readonly made: MadeVm;
  /** Where disks were uploaded to, if they were. */
  readonly uploadDirectory?: string;
}

/** Makes the VM by an import lease and uploads its disks. What an earlier attempt half made is removed first. */
export function createImportVm(dependencies: Dependencies) {
  return async function importVm(input: ImportInput): Promise<MadeVm> {
    const { request, run, vm } = input;
    await letGo({ kind: 'importLease', run, vm, proxy: input.proxy }, dependencies);
    await letGo({ kind: 'halfRestoredVm', run, vm, finalName: vm.name }, dependencies);
    const host = await hostOf(dependencies, input);
    const manifest = await readManifest(request.directory);
    const notes = leaseNotes(
      'importLease',
      dependencies.records,
      await ownerOf(dependencies, input),
      vm.name,
    );
    const opened = await host.openImport(
      await importRequest(dependencies, input, manifest),
      notes,
      cancellationSignal(),
    );
    const files = diskFiles(manifest);
    const total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let bytes = 0;
    for (const { disk, sizeBytes } of files) {
      const file = join(request.directory, disk.file);
      await keptAlive(
        () => opened.keepAlive(bytes / total),
        (signal) =>
          runUpload(
            opened.upload(disk, file),
            file,
            tellUploaded(disk.file, sizeBytes, bytes, total),
            signal,
          ),
      );
      tellUploaded(disk.file, sizeBytes, bytes, total)(sizeBytes);
      bytes += sizeBytes;
    }
    await opened.finish(files.map(({ disk, sizeBytes }) => ({ label: disk.label, sizeBytes })));
    await dependencies.records.remove('importLease', run);
    return { moref: opened.moref, bytes };
  };
}

/** What a VM is made from; the rest of a backup is for people. */
const UPLOADED_ROLES: readonly ManifestFile['role'][] = ['disk', 'descriptor', 'nvram'];

/** Uploads disks to a directory of the datastore that carries the run's name, its owner file first. */
export function createUploadDisks(dependencies: Dependencies) {
  return async function uploadDisks(input: UploadInput): Promise<{ readonly bytes: number }> {
    const { request, place, uploadDirectory, run, vm } = input;
    const host = await hostOf(dependencies, input);
    const manifest = await readManifest(request.directory);
    const owner = await ownerOf(dependencies, input);
    await letGo({ kind: 'uploadedFile', run, vm, directory: uploadDirectory, place }, dependencies);
    await dependencies.records.write('uploadedFile', {
      owner,
      vmName: vm.name,
      id: JSON.stringify({ place, directory: uploadDirectory }),
    });
    await host.makeDirectory(place, uploadDirectory);
    await host.writeText(place, `${uploadDirectory}/${UPLOAD_OWNER_FILE}`, formatOwner(owner));
    const files = manifest.files.filter(({ role }) => UPLOADED_ROLES.includes(role));
    const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let bytes = 0;
    for (const file of files) {
      const from = join(request.directory, file.path);
      const program = await host.uploadFile(place, `${uploadDirectory}/${file.path}`, from);
      // A descriptor is nothing to follow.
      const tell =
        file.role === 'disk'
          ? tellUploaded(file.path, file.sizeBytes, bytes, totalBytes)
          : (): void => undefined;
      await keptAlive(
        () => host.now(),
        (signal) => runUpload(program, from, tell, signal),
      );
      tell(file.sizeBytes);
      bytes += file.sizeBytes;
    }
    return { bytes };
  };
}

/** Makes the VM from uploaded disks. */
export function createCreateVm(dependencies: Dependencies) {
  return async function createVm(input: UploadInput): Promise<{ readonly moref: string }> {
    const { run } = input;
    const host = await hostOf(dependencies, input);
    const earlier = (await host.listMarkedVms()).find(({ mark }) => parseOwner(mark)?.runId === run.runId);
    if (earlier !== undefined) return { moref: earlier.moref };
    const manifest = await readManifest(input.request.directory);
    return host.createVm(
      await importRequest(dependencies, input, manifest),
      input.uploadDirectory,
      cancellationSignal(),
    );
  };
}

/**
 * Puts the whole VM in its place. Until its mark is off it is half restored, and undone on failure; the VM that it replaces is
 * destroyed only after that. Every step looks first, so that it can be repeated from any point.
 */
export function createFinishRestore(dependencies: Dependencies) {
  return async function finishRestore(
    input: FinishInput,
  ): Promise<{ readonly instanceUuid: string; readonly warnings: readonly string[] }> {
    const { request, plan, made, run, vm } = input;
    const host = await hostOf(dependencies, input);
    const manifest = await readManifest(request.directory);
    const aside = replacedName(vm.name, run.runId);
    if (await isMarked(host, made.moref)) {
      await noteReplaced(dependencies, input, false);
      await moveAside(host, plan, vm.name, aside);
      await host.renameVm(made.moref, vm.name);
      if (input.uploadDirectory !== undefined)
        await host.deletePath(plan.place, `${input.uploadDirectory}/${UPLOAD_OWNER_FILE}`);
      await noteReplaced(dependencies, input, true);
      await host.unmarkVm(made.moref);
    }
    const left: string[] = [];
    for (const old of await host.findVms({ kind: 'name', value: aside }))
      left.push(...(await host.destroyVm(old.moref)));
    await dependencies.records.remove('replacedVm', run);
    const warnings = [...left, ...(await takeIdentity(host, made.moref, manifest, vm.instanceUuid))];
    if (request.powerOn) await powerOn(host, made.moref);
    const [restored] = await host.findVms({ kind: 'moref', value: made.moref });
    return { instanceUuid: restored?.instanceUuid ?? '', warnings };
  };
}

/** Who goes on where this step was cut off must know what stands aside for what, and whether it may go. */
async function noteReplaced(dependencies: Dependencies, input: FinishInput, isWhole: boolean): Promise<void> {
  const { plan, made, vm } = input;
  if (plan.existing === undefined) return;
  const note: ReplacedVmNote = {
    finalName: vm.name,
    replaced: plan.existing.moref,
    restored: made.moref,
    isWhole,
  };
  const owner = await ownerOf(dependencies, input);
  await dependencies.records.write('replacedVm', { owner, vmName: vm.name, id: JSON.stringify(note) });
}

async function moveAside(host: Host, plan: RestorePlan, name: string, aside: string): Promise<void> {
  const { existing } = plan;
  if (existing === undefined) return;
  const [old] = await host.findVms({ kind: 'moref', value: existing.moref });
  if (old?.name !== name) return;
  if (old.powerState !== 'off') {
    throw new EverthawError({
      code: 'VmInUse',
      what: `replace VM "${name}"`,
      why: 'somebody powered it on meanwhile',
      hint: 'power it off and restore again: a running VM is never replaced',
    });
  }
  await host.renameVm(existing.moref, aside);
}

/** The original's identity, where nobody else has it: a copy beside its original keeps its own. */
async function takeIdentity(
  host: Host,
  moref: string,
  manifest: Manifest,
  wantedUuid: string,
): Promise<readonly string[]> {
  const { instanceUuid, biosUuid } = manifest.vm;
  if (wantedUuid !== instanceUuid) return [];
  const [holder] = await host.findVms({ kind: 'uuid', value: biosUuid });
  if (holder !== undefined && holder.moref !== moref) {
    return [
      `BIOS uuid ${biosUuid} belongs to "${holder.name}" (${holder.moref}): the restored VM has a new identity`,
    ];
  }
  if (holder?.instanceUuid !== instanceUuid) await host.setIdentity(moref, { instanceUuid, biosUuid });
  return [];
}

async function powerOn(host: Host, moref: string): Promise<void> {
  const [vm] = await host.findVms({ kind: 'moref', value: moref });
  if (vm?.powerState !== 'on') await host.powerOn(moref);
}

async function isMarked(host: Host, moref: string): Promise<boolean> {
  return (await host.listMarkedVms()).some((vm) => vm.moref === moref);
}

async function importRequest(
  dependencies: Dependencies,
  input: ImportInput,
  manifest: Manifest,
): Promise<ImportRequest> {
  return {
    name: restoringName(input.vm.name, input.run.runId),
    configuration: manifest.vm.configuration,
    disks: diskFiles(manifest),
    place: input.place,
    instanceUuid: input.vm.instanceUuid,
    newAddresses: input.request.newAddresses,
    mark: formatOwner(await ownerOf(dependencies, input)),
  };
}

function diskFiles(manifest: Manifest): ImportRequest['disks'] {
  return manifest.disks.map((disk) => ({
    disk,
    sizeBytes: manifest.files.find(({ path }) => path === disk.file)?.sizeBytes ?? 0,
  }));
}

/** Tells of the bytes of one file, and of all together with those of the files before it. */
function tellUploaded(
  file: string,
  fileBytes: number,
  before: number,
  totalBytes: number,
): (bytes: number) => void {
  const keeper = pulse();
  return (bytes) => {
    const whole = { bytes: before + bytes, totalBytes };
    keeper.progress({ what: `upload ${file}`, bytes, totalBytes: fileBytes, whole });
  };
}
