import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isOfDeadProcess, processName } from '../system/processName.js';

/** Notes that this process is a worker of the state directory; returns what takes the note away. */
export async function registerWorker(directory: string): Promise<() => Promise<void>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, await processName('worker'));
  await writeFile(file, '');
  return () => rm(file, { force: true });
}

/** A worker of the state directory that lives; notes of dead ones go. */
export async function livingWorker(directory: string): Promise<string | undefined> {
  let living: string | undefined;
  for (const name of await readdir(directory).catch(() => [])) {
    if (await isOfDeadProcess(name)) await rm(join(directory, name), { force: true });
    else living = name;
  }
  return living;
}
