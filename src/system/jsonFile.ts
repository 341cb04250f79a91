import { readFile } from 'node:fs/promises';

/** What a file of our own says. Undefined where there is none, and where its writer was killed before it had written all of it. */
export async function readJson<T>(file: string): Promise<T | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
