import { protectPoint, unprotectPoint } from '../destinations/protectPoint.js';
import { Output } from './output.js';
import { storedBackup, storedPlace } from './storedBackups.js';

/** Keeps a backup from being forgotten. @throws EverthawError BackupDamaged where there is none that can be read */
export async function protect(named: string, reason: string, json: boolean): Promise<void> {
  await (await storedBackup(named)).manifest();
  const place = await storedPlace(named);
  await protectPoint(place, { reason, since: new Date().toISOString() });
  new Output(json).result({ directory: place.directory, protected: reason }, [
    `protected: ${place.directory}`,
  ]);
}

/** Takes that back. */
export async function unprotect(named: string, json: boolean): Promise<void> {
  const place = await storedPlace(named);
  const wasProtected = await unprotectPoint(place);
  new Output(json).result({ directory: place.directory, wasProtected }, [
    wasProtected ? `no longer protected: ${place.directory}` : `was not protected: ${place.directory}`,
  ]);
}
