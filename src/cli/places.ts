import type { Settings } from '../config/settings.js';
import { parseCatalog, type Catalog } from '../domain/catalog.js';
import { EverthawError } from '../domain/errors.js';
import { CATALOG_FILE, type Manifest } from '../domain/manifest.js';
import { placeWish } from '../domain/placeWish.js';
import type { PlaceWish } from '../domain/restores.js';
import { readPlainFile } from '../destinations/restorePoint.js';
import type { StoredBackup } from '../destinations/storedBackup.js';
import { LARGEST_CATALOG_BYTES } from '../destinations/verifyRestorePoint.js';

/** Where a restore is to go, if a catalog or defaults were given: else to where the manifest says. */
export async function placesOf(
  { console: given }: Pick<Settings, 'console'>,
  file: string | undefined,
  backup: StoredBackup,
  manifest: Manifest,
): Promise<{ readonly places?: PlaceWish; readonly notes: readonly string[] }> {
  const { restoreDatastore, restoreHost, restoreResourcePool, restoreFolder } = given;
  const defaults = {
    ...(restoreDatastore === undefined ? {} : { dsPath: restoreDatastore }),
    ...(restoreHost === undefined ? {} : { vmHost: restoreHost }),
    ...(restoreResourcePool === undefined ? {} : { resourcePool: restoreResourcePool }),
    ...(restoreFolder === undefined ? {} : { folderPath: restoreFolder }),
  };
  if (file === undefined && Object.keys(defaults).length === 0) return { notes: [] };
  const catalog = file === undefined ? await catalogOf(backup) : await readCatalog(file);
  return placeWish(manifest, catalog, defaults);
}

function catalogOf(backup: StoredBackup): Promise<Catalog> {
  const text = backup.readText(CATALOG_FILE, LARGEST_CATALOG_BYTES);
  return catalogIn(text, `${backup.directory}/${CATALOG_FILE}`);
}

function readCatalog(file: string): Promise<Catalog> {
  return catalogIn(readPlainFile(file, LARGEST_CATALOG_BYTES), file);
}

async function catalogIn(read: Promise<string>, file: string): Promise<Catalog> {
  let text: string;
  try {
    text = await read;
  } catch (error) {
    if (error instanceof EverthawError) throw error;
    throw new EverthawError({
      code: 'WrongUsage',
      what: `read catalog ${file}`,
      why: (error as NodeJS.ErrnoException).code ?? 'it cannot be read',
      hint: 'copy the file named catalog of the backup, and name the copy',
    });
  }
  return parseCatalog(text, file);
}
