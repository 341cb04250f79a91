import { EverthawError } from './errors.js';

/**
 * VCB's catalog: lines `key= "value"` that describe a backed-up VM (F12). Order and unknown keys are kept, so that a file
 * that somebody edited by hand is not lost on the way through.
 */
export type Catalog = ReadonlyMap<string, string>;

const LINE = /^\s*([^\s="]+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*$/;
const LONGEST_SHOWN = 100;

export function formatCatalog(catalog: Catalog): string {
  return [...catalog].map(([key, value]) => `${key}= "${escape(value)}"\n`).join('');
}

/** @throws EverthawError WrongUsage naming the line that is none of `key= "value"`, comment or blank. */
export function parseCatalog(text: string, file: string): Catalog {
  const catalog = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const match = LINE.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new EverthawError({
        code: 'WrongUsage',
        what: `read catalog ${file}, line ${index + 1}`,
        why: `not of the form key= "value": ${line.slice(0, LONGEST_SHOWN)}`,
        hint: 'mend that line, or take the catalog that lies in the backup directory',
      });
    }
    catalog.set(match[1], unescape(match[2]));
  }
  return catalog;
}

function escape(value: string): string {
  return value.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r');
}

function unescape(value: string): string {
  return value.replace(/\\(.)/g, (_, character: string) => ({ n: '\n', r: '\r' })[character] ?? character);
}
