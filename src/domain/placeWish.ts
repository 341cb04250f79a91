import type { Catalog } from './catalog.js';
import { EverthawError } from './errors.js';
import type { Manifest } from './manifest.js';
import type { PlaceWish, RestoreRequest, RestoreWish } from './restores.js';

/** Places for archives whose catalogs lack them (F4): DSPATH, VMHOST, RESOURCEPOOL, FOLDERPATH. */
export interface PlaceDefaults {
  /** `[oldvms] %VMNAME%`: %VMNAME% is the base name of the .vmx file. */
  readonly dsPath?: string;
  readonly vmHost?: string;
  /** %VMHOST% stands for VMHOST. */
  readonly resourcePool?: string;
  readonly folderPath?: string;
}

/**
 * Where a catalog wants its VM (F12): its words, else the defaults, else the manifest's. An empty word is a lack. `notes` tell what
 * of it is not followed.
 *
 * @throws EverthawError WrongUsage where it tells of a disk that the backup does not have
 */
export function placeWish(
  manifest: Manifest,
  catalog: Catalog,
  defaults: PlaceDefaults,
): { readonly places: PlaceWish; readonly notes: readonly string[] } {
  const { vm, disks } = manifest;
  const word = (key: string): string | undefined => {
    const value = catalog.get(key);
    return value === '' ? undefined : value;
  };
  checkDisks(manifest, catalog);
  const configPath = word('config.vmx');
  const directory = defaults.dsPath?.replaceAll('%VMNAME%', () => baseName(configPath ?? vm.name));
  const host = word('host') ?? defaults.vmHost;
  const pool = defaults.resourcePool?.replaceAll('%VMHOST%', () => defaults.vmHost ?? vm.host);
  const home = configPath ?? directory;
  return {
    places: {
      folderPath: word('folderpath') ?? defaults.folderPath ?? vm.folderPath,
      resourcePool: word('resourcepool') ?? pool ?? vm.resourcePool,
      // The one that it was on may be gone: where nobody asks for another, the pool says enough.
      ...(host === undefined || host === vm.host ? {} : { host }),
      ...(home === undefined ? {} : { configPath: home }),
      diskPaths: Object.fromEntries(
        disks.map(({ label, originalPath }) => [
          label,
          word(`disk.${label}.diskname`) ??
            (directory === undefined ? originalPath : `${directory}/${lastPart(originalPath)}`),
        ]),
      ),
    },
    notes: notesOn(manifest, catalog),
  };
}

/** What a host is asked to find for a restore. */
export function restoreWish(
  { vm, disks, files, datastores }: Manifest,
  { places, storage, network }: Pick<RestoreRequest, 'places' | 'storage' | 'network'>,
): RestoreWish {
  return {
    vm: {
      configuration: vm.configuration,
      folderPath: places?.folderPath ?? vm.folderPath,
      resourcePool: places?.resourcePool ?? vm.resourcePool,
    },
    disks: disks.map((disk) => ({
      ...disk,
      originalPath: places?.diskPaths[disk.label] ?? disk.originalPath,
      sizeBytes: files.find(({ path }) => path === disk.file)?.sizeBytes ?? 0,
    })),
    datastores,
    ...(places?.host === undefined ? {} : { host: places.host }),
    ...(places?.configPath === undefined ? {} : { configPath: places.configPath }),
    ...(storage === undefined ? {} : { storage }),
    ...(network === undefined ? {} : { network }),
  };
}

function checkDisks({ disks, vm }: Manifest, catalog: Catalog): void {
  const labels = disks.map(({ label }) => label);
  for (const key of catalog.keys()) {
    const label = /^disk\.(.+)\.diskname$/.exec(key)?.[1];
    if (label === undefined || labels.includes(label)) continue;
    throw new EverthawError({
      code: 'WrongUsage',
      what: `restore VM "${vm.name}" by its catalog`,
      why: `it tells of a disk ${label}, and the backup has ${labels.join(', ') || 'none'}`,
      hint: 'take the catalog that lies in this backup, and change paths in it',
    });
  }
}

function notesOn({ vm, disks }: Manifest, catalog: Catalog): readonly string[] {
  const notes: string[] = [];
  const name = catalog.get('display_name');
  if (name !== undefined && name !== vm.name)
    notes.push(
      `the display name ${JSON.stringify(name)} in the catalog is ignored: the VM's own settings say ${JSON.stringify(vm.name)} (another name is given with --name)`,
    );
  for (const { label, file } of disks) {
    const other = catalog.get(`disk.${label}.filename`);
    if (other !== undefined && other !== file)
      notes.push(
        `the file ${JSON.stringify(other)} in the catalog is ignored: disk ${label} is kept in ${file}`,
      );
  }
  return notes;
}

/** `[store] dir/web.vmx` -> `web`. */
function baseName(path: string): string {
  return lastPart(path).replace(/\.vmx$/i, '');
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/^\[[^\]]*\]\s*/, '');
}
