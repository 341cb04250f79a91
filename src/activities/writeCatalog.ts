import { basename } from 'node:path';
import { cancellationSignal } from '@temporalio/activity';
import { formatCatalog } from '../domain/catalog.js';
import { messageOf } from '../domain/errors.js';
import { CATALOG_FILE, MANIFEST_FILE, type Manifest, type ManifestFile } from '../domain/manifest.js';
import type { DiskResult, SnapshotResult, Step } from '../domain/runs.js';
import type { Transport } from '../domain/transport.js';
import type { VmDescription, VmFile } from '../domain/vm.js';
import type { Destination, PartialBackup } from '../destinations/destination.js';
import type { Host } from '../hosts/host.js';
import { fullOr } from './destinationFull.js';
import { hostOf, ownerOf, type Dependencies } from './dependencies.js';

export interface CatalogInput extends Step {
  readonly directory: string;
  readonly snapshot: SnapshotResult;
  readonly disks: readonly DiskResult[];
  readonly transport: Transport;
  /** The restore point stays the run's own, which removes it when it ends. */
  readonly handover: boolean;
}

/** Adds the VM's own files, catalog and manifest, and makes the partial directory the restore point. */
export function createWriteCatalog(dependencies: Dependencies) {
  return async function writeCatalog(input: CatalogInput): Promise<{ readonly warnings: readonly string[] }> {
    const { directory, run } = input;
    const destination = await dependencies.destinations.at(directory);
    // An attempt that was cut off behind its rename has done all of it.
    if ((await destination.restorePoint())?.runId === run.runId) {
      if (!input.handover) await destination.disown();
      return { warnings: [] };
    }
    try {
      return { warnings: await write(dependencies, input, destination) };
    } catch (error) {
      throw fullOr(error, directory);
    }
  };
}

async function write(
  dependencies: Dependencies,
  input: CatalogInput,
  destination: Destination,
): Promise<readonly string[]> {
  const partial = destination.partialOf(input.run.runId);
  const host = await hostOf(dependencies, input);
  const vm = await host.describeVm(input.vm.instanceUuid);
  const { files, warnings } = await copyVmFiles(host, vm, partial);
  files.push({
    path: CATALOG_FILE,
    role: 'catalog',
    ...(await partial.write(CATALOG_FILE, formatCatalog(catalogOf(vm, input)))),
  });
  await partial.write(
    MANIFEST_FILE,
    `${JSON.stringify(manifestOf(dependencies, host, vm, input, files), undefined, 2)}\n`,
  );
  if (input.handover) {
    const owner = await ownerOf(dependencies, input);
    await dependencies.records.write('stagedExport', { owner, vmName: input.vm.name, id: input.directory });
  }
  await partial.commit();
  if (!input.handover) await destination.disown();
  return warnings;
}

/** Configuration, NVRAM, logs and memory; a log that is being written is worth a warning, not the backup. */
async function copyVmFiles(
  host: Host,
  vm: VmDescription,
  partial: PartialBackup,
): Promise<{ files: ManifestFile[]; warnings: string[] }> {
  const files: ManifestFile[] = [];
  const warnings: string[] = [];
  const wanted = await wantedFiles(host, vm);
  if (vm.powerState === 'suspended' && !wanted.some(({ role }) => role === 'memory')) {
    warnings.push(
      `"${vm.name}" is suspended, but the host names no file of its memory: a restored VM starts as after a loss of power`,
    );
  }
  for (const file of wanted) {
    const name = basename(file.path.replace(/^\[[^\]]*\]\s*/, ''));
    try {
      const source = await host.download(file, vm.instanceUuid);
      const copied = await partial.keep(name, source, cancellationSignal());
      files.push({ path: name, role: file.role, ...copied });
    } catch (error) {
      if (file.role !== 'log') throw error;
      warnings.push(`log ${file.path} could not be kept: ${messageOf(error)}`);
    }
  }
  return { files, warnings };
}

/** The memory file belongs to a suspended VM only: of a running one it is of no use (F6a). */
async function wantedFiles(host: Host, vm: VmDescription): Promise<readonly VmFile[]> {
  const files = await host.listVmFiles(vm.instanceUuid);
  return files.filter(({ role }) => role !== 'memory' || vm.powerState === 'suspended');
}

function catalogOf(vm: VmDescription, { snapshot, disks }: CatalogInput): ReadonlyMap<string, string> {
  return new Map([
    ['version', '1'],
    ['display_name', vm.name],
    ['state', vm.powerState],
    ['host', vm.host],
    ['folderpath', vm.folderPath],
    ['resourcepool', vm.resourcePool],
    ['config.vmx', vm.configPath],
    ['config.suspenddir', vm.suspendDirectory],
    ['config.logdir', vm.logDirectory],
    ...disks.map(({ disk }): [string, string] => [`disk.${disk.label}.diskname`, disk.originalPath]),
    ...disks.map(({ disk }): [string, string] => [`disk.${disk.label}.filename`, disk.file]),
    ['uuid.bios', vm.biosUuid],
    ['uuid.instance', vm.instanceUuid],
    ['consistency', snapshot.consistency],
    ['timestamp', snapshot.takenAt],
  ]);
}

function manifestOf(
  dependencies: Dependencies,
  host: Host,
  vm: VmDescription,
  input: CatalogInput,
  vmFiles: readonly ManifestFile[],
): Manifest {
  const { name, instanceUuid, biosUuid, powerState, folderPath, resourcePool, configuration } = vm;
  return {
    format: 'everthaw/1',
    everthawVersion: dependencies.version,
    kind: 'image-full',
    runId: input.run.runId,
    workflowId: input.run.workflowId,
    host: host.identity,
    vm: { name, instanceUuid, biosUuid, powerState, folderPath, resourcePool, host: vm.host, configuration },
    pointInTime: input.snapshot.takenAt,
    consistency: input.snapshot.consistency,
    transport: input.transport,
    datastores: vm.datastores,
    disks: input.disks.map(({ disk }) => disk),
    files: [...input.disks.flatMap(({ files }) => files), ...vmFiles],
  };
}
