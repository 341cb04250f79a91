import { join } from 'node:path';
import type { Settings } from '../config/settings.js';
import { parseCatalog, type Catalog } from '../domain/catalog.js';
import { EverthawError } from '../domain/errors.js';
import { CATALOG_FILE, type Manifest } from '../domain/manifest.js';
import { placeWish } from '../domain/placeWish.js';
import type { PlaceWish } from '../domain/runs.js';
import { readPlainFile } from '../destinations/restorePoint.js';
import { LARGEST_CATALOG_BYTES } from '../destinations/verifyRestorePoint.js';

/** Where a restore is to go, if a catalog or defaults were given: else to where the manifest says. */
export async function placesOf(
  { console: given }: Pick<Settings, 'console'>,
  file: string | undefined,
  directory: string,
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
  return placeWish(manifest, await readCatalog(file ?? join(directory, CATALOG_FILE)), defaults);
}

async function readCatalog(file: string): Promise<Catalog> {
  let text: string;
  try {
    text = await readPlainFile(file, LARGEST_CATALOG_BYTES);
  } catch (error) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `read catalog ${file}`,
      why: (error as NodeJS.ErrnoException).code ?? 'it cannot be read',
      hint: 'copy the file named catalog of the backup, and name the copy',
    });
  }
  return parseCatalog(text, file);
}
