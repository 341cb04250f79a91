import { readFile, rename, writeFile } from 'node:fs/promises';
import * as z from 'zod';
import type { Extent } from '../domain/extents.js';
import type { NamedExport } from './imageCopy.js';
import { runForOutput } from '../system/program.js';

/** What nbdinfo prints of each extent: bit 1 of `type` says that it reads as zeros (NBD's base:allocation). */
const MAP = z.array(
  z.object({
    offset: z.number().int().nonnegative(),
    length: z.number().int().nonnegative(),
    type: z.number().int().nonnegative(),
  }),
);

const READS_AS_ZEROS = 0b10;

/** Which parts of an export are zeros that need not be read, as its server knows. @throws EverthawError ProgramFailed */
export async function readExportMap(source: NamedExport, signal: AbortSignal): Promise<readonly Extent[]> {
  const uri = `nbd+unix:///${encodeURIComponent(source.exportName)}?socket=${encodeURIComponent(source.socket)}`;
  const printed = await runForOutput(
    { program: 'nbdinfo', args: ['--json', '--map=base:allocation', '--', uri], what: source.what },
    signal,
  );
  return MAP.parse(JSON.parse(printed)).map(({ offset, length, type }) => ({
    offset,
    length,
    kind: (type & READS_AS_ZEROS) === 0 ? 'data' : 'zero',
  }));
}

/**
 * The map that a copy was begun with. A copy that goes on needs the same, although the server may tell another by then: what the
 * VM writes where there was nothing makes data of zeros, whose content is kept for us and is still zeros.
 */
export async function keepExportMap(file: string, extents: readonly Extent[]): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(extents), { flush: true });
  await rename(`${file}.new`, file);
}

/** Undefined where none was kept. */
export async function keptExportMap(file: string): Promise<readonly Extent[] | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as readonly Extent[]);
}
