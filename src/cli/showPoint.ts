import { join } from 'node:path';
import { parseCatalog } from '../domain/catalog.js';
import { messageOf } from '../domain/errors.js';
import { formatBytes } from '../domain/format.js';
import { CATALOG_FILE, type Manifest } from '../domain/manifest.js';
import { printable } from '../domain/printable.js';
import { formatTransport } from '../domain/transport.js';
import { readManifest, readPlainFile } from '../destinations/restorePoint.js';
import { LARGEST_CATALOG_BYTES } from '../destinations/verifyRestorePoint.js';
import { localDirectory } from './localDirectory.js';
import { Output } from './output.js';

/** Tells all of one restore point. Its catalog is told beside it, or why it cannot be read. @throws EverthawError BackupDamaged */
export async function showPoint(directoryText: string, json: boolean): Promise<void> {
  const directory = localDirectory(directoryText, 'show');
  const manifest = await readManifest(directory);
  const catalog = await readCatalog(join(directory, CATALOG_FILE));
  const lines = [...headOf(directory, manifest), ...partsOf(manifest), ...catalogLines(catalog)];
  new Output(json).result({ directory, manifest, catalog }, lines.map(printable));
}

type ShownCatalog = Readonly<Record<string, string>> | { readonly unreadable: string };

async function readCatalog(file: string): Promise<ShownCatalog> {
  try {
    return Object.fromEntries(parseCatalog(await readPlainFile(file, LARGEST_CATALOG_BYTES), file));
  } catch (error) {
    return { unreadable: messageOf(error) };
  }
}

function headOf(directory: string, { vm, host, ...manifest }: Manifest): readonly string[] {
  return [
    `backup          ${directory}`,
    `VM              ${vm.name} (was ${vm.powerState}; bios uuid ${vm.biosUuid}, instance uuid ${vm.instanceUuid})`,
    `point in time   ${manifest.pointInTime}, ${manifest.consistency}-consistent, ${manifest.kind}`,
    `host            ${host.address} (${host.product}, uuid ${host.uuid})`,
    `folder          ${vm.folderPath}`,
    `resource pool   ${vm.resourcePool}`,
    `ran on          ${vm.host}`,
    `transport       ${formatTransport(manifest.transport)}, by Everthaw ${manifest.everthawVersion}`,
    `run             ${manifest.workflowId} ${manifest.runId}`,
  ];
}

function partsOf({ disks, files, datastores }: Manifest): readonly string[] {
  return [
    'disks',
    ...disks.map(
      ({ label, capacityBytes, file, format, originalPath }) =>
        `  ${label}  ${formatBytes(capacityBytes)}  ${format}  ${file}  was ${originalPath}`,
    ),
    'files',
    ...files.map(({ path, role, sizeBytes, sha256 }) => `  ${sha256}  ${sizeBytes}  ${role}  ${path}`),
    'datastores',
    ...datastores.map(({ label, kind, url }) => `  ${label}  ${kind}  ${url}`),
  ];
}

function catalogLines(catalog: ShownCatalog): readonly string[] {
  return ['catalog', ...Object.entries(catalog).map(([key, value]) => `  ${key}= ${JSON.stringify(value)}`)];
}
