import { readdir } from 'node:fs/promises';

/** Of a backup that did not succeed: nothing may stand under its name. */
export async function hasManifest(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch(() => undefined);
  return names === undefined ? [] : [`${directory} is there and holds ${names.join(', ')}`];
}
