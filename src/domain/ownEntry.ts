/** The entry of a table by a word that others chose: what every object has by birth (`constructor`) is none. */
export function ownEntry<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
