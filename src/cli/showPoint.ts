import { parseCatalog } from '../domain/catalog.js';
import { messageOf } from '../domain/errors.js';
import { formatBytes } from '../domain/format.js';
import { isFileManifest, type AnyManifest, type FileManifest } from '../domain/fileManifest.js';
import { CATALOG_FILE, type Manifest } from '../domain/manifest.js';
import { printable } from '../domain/printable.js';
import { formatTransport } from '../domain/transport.js';
import { LARGEST_PROTECTION_BYTES, PROTECTED_FILE, reasonIn } from '../destinations/protection.js';
import type { StoredBackup } from '../destinations/storedBackup.js';
import { LARGEST_CATALOG_BYTES } from '../destinations/verifyRestorePoint.js';
import { Output } from './output.js';
import { storedBackup } from './storedBackups.js';

/** Tells all of one restore point. Its catalog is told beside it, or why it cannot be read. @throws EverthawError BackupDamaged */
export async function showPoint(named: string, json: boolean): Promise<void> {
  const backup = await storedBackup(named);
  const { directory } = backup;
  const manifest = await backup.manifest();
  const catalog = isFileManifest(manifest) ? undefined : await readCatalog(backup);
  const reason = await protectionOf(backup);
  const lines = [
    ...headOf(directory, manifest),
    ...(reason === undefined ? [] : [`protected       ${reason}`]),
    ...(isFileManifest(manifest) ? filePartsOf(manifest) : partsOf(manifest)),
    ...(catalog === undefined ? [] : catalogLines(catalog)),
  ];
  new Output(json).result({ directory, manifest, catalog, protected: reason }, lines.map(printable));
}

/** Why it is never forgotten, where somebody said so. */
async function protectionOf(backup: StoredBackup): Promise<string | undefined> {
  if (!(await backup.names()).includes(PROTECTED_FILE)) return undefined;
  return reasonIn(await backup.readText(PROTECTED_FILE, LARGEST_PROTECTION_BYTES).catch(() => ''));
}

type ShownCatalog = Readonly<Record<string, string>> | { readonly unreadable: string };

async function readCatalog(backup: StoredBackup): Promise<ShownCatalog> {
  try {
    const text = await backup.readText(CATALOG_FILE, LARGEST_CATALOG_BYTES);
    return Object.fromEntries(parseCatalog(text, `${backup.directory}/${CATALOG_FILE}`));
  } catch (error) {
    return { unreadable: messageOf(error) };
  }
}

function headOf(directory: string, { vm, host, ...manifest }: AnyManifest): readonly string[] {
  return [
    `backup          ${directory}`,
    `VM              ${vm.name} (was ${vm.powerState}; bios uuid ${vm.biosUuid}, instance uuid ${vm.instanceUuid})`,
    `point in time   ${manifest.pointInTime}, ${manifest.consistency}-consistent, ${manifest.kind}`,
    `host            ${host.address} (${host.product}, uuid ${host.uuid})`,
    ...('folderPath' in vm
      ? [
          `folder          ${vm.folderPath}`,
          `resource pool   ${vm.resourcePool}`,
          `ran on          ${vm.host}`,
        ]
      : []),
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

function filePartsOf(manifest: FileManifest): readonly string[] {
  const { module, base, fullBecause, include, exclude, volumes, files, notKept } = manifest;
  return [
    `made by         ${module.name}${module.place === undefined ? '' : ` (${module.place})`}`,
    ...(base === undefined ? [] : [`built on        ${base.directory}`]),
    ...(fullBecause === undefined ? [] : [`full, because   ${fullBecause}`]),
    ...include.map((pattern) => `include         ${pattern}`),
    ...exclude.map((pattern) => `exclude         ${pattern}`),
    'volumes',
    ...volumes.map(({ id, name, fileSystem, paths, archive, snapshot, place, limits }) =>
      [
        `  ${id}  ${name ?? '-'}  ${fileSystem ?? '-'}  ${archive ?? snapshot ?? place ?? '-'}`,
        paths.length === 0 ? '' : `  only ${paths.join(', ')}`,
        limits === undefined ? '' : `  not kept: ${limits}`,
      ].join(''),
    ),
    'files',
    ...files.map(({ path, role, sizeBytes, sha256 }) => `  ${sha256}  ${sizeBytes}  ${role}  ${path}`),
    ...notKept.map((line) => `not kept        ${line}`),
  ];
}

function catalogLines(catalog: ShownCatalog): readonly string[] {
  return ['catalog', ...Object.entries(catalog).map(([key, value]) => `  ${key}= ${JSON.stringify(value)}`)];
}
