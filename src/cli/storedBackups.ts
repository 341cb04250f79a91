import { resolve } from 'node:path';
import { readSettings } from '../config/settings.js';
import { isScpUrl } from '../domain/scpUrl.js';
import { Destinations } from '../destinations/destinations.js';
import type { ListedPoint } from '../destinations/listedPoint.js';
import type { Reach } from '../destinations/listRestorePoints.js';
import type { StoredPlace } from '../destinations/storedPlace.js';
import { localBackup, type StoredBackup } from '../destinations/storedBackup.js';

/** A backup as a user names it: by a path, or an scp URL. No settings are read for one of this machine: they may be broken. */
export async function storedBackup(named: string): Promise<StoredBackup> {
  if (!isScpUrl(named)) return localBackup(resolve(named));
  return new Destinations(readSettings().stateDirectory).backupAt(named);
}

/** All that is or was to be a restore point below directories, or scp URLs. */
export async function storedBackupsBelow(
  named: readonly string[],
  reach: Reach = 'mounts too',
): Promise<readonly ListedPoint[]> {
  const roots = named.map((each) => (isScpUrl(each) ? each : resolve(each)));
  const stateDirectory = roots.some(isScpUrl) ? readSettings().stateDirectory : '';
  return new Destinations(stateDirectory).listBelow(roots, reach);
}

/** The place of one, for what is done to it as a whole. */
export async function storedPlace(named: string): Promise<StoredPlace> {
  if (!isScpUrl(named)) return new Destinations('').placeAt(resolve(named));
  return new Destinations(readSettings().stateDirectory).placeAt(named);
}
