import { endOfTool, saidBy, toolFailed } from './tool.js';

/** What blkid finds at the front of a disk or of a part of it. */
export interface Probed {
  readonly fileSystem?: string;
  readonly label?: string;
  readonly uuid?: string;
  /** `dos`, `gpt`, … */
  readonly table?: string;
  readonly tableUuid?: string;
  /** More than one kind of thing: nobody can say which. */
  readonly isAmbiguous: boolean;
}

const TIMEOUT_MS = 30_000;
const FOUND_NOTHING = 2;
const AMBIGUOUS = 8;

/** Looks at the file itself, and nowhere else: no cache, no device of this machine. @throws EverthawError */
export async function probe(
  file: string,
  part: { readonly offsetBytes: number; readonly sizeBytes: number },
  what: string,
): Promise<Probed> {
  const printed: string[] = [];
  const run = {
    program: 'blkid',
    args: ['-p', '-o', 'udev', '-O', String(part.offsetBytes), '-S', String(part.sizeBytes), '--', file],
    what,
    timeoutMs: TIMEOUT_MS,
    onOutput: (text: string) => printed.push(text),
  } as const;
  const { exit, tail } = await endOfTool(run);
  if (exit === FOUND_NOTHING) return { isAmbiguous: false };
  if (exit === AMBIGUOUS) return { isAmbiguous: true };
  if (exit !== 0) throw toolFailed(run, saidBy('blkid', exit, tail));
  return { ...parseProbe(printed.join('')), isAmbiguous: false };
}

/** Of `blkid -o udev`: lines `ID_FS_TYPE=ext4`. */
export function parseProbe(printed: string): Omit<Probed, 'isAmbiguous'> {
  const found = new Map(
    printed.split('\n').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  const told = (key: string, value: string | undefined): object =>
    value === undefined || value === '' ? {} : { [key]: unescapeHex(value) };
  return {
    ...told('fileSystem', found.get('ID_FS_TYPE')),
    ...told('label', found.get('ID_FS_LABEL_ENC')),
    ...told('uuid', found.get('ID_FS_UUID_ENC')),
    ...told('table', found.get('ID_PART_TABLE_TYPE')),
    ...told('tableUuid', found.get('ID_PART_TABLE_UUID')?.toLowerCase()),
  };
}

/** libblkid writes the bytes of a name that a line cannot hold as `\x20`. */
export function unescapeHex(text: string): string {
  const bytes = text.replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  );
  // What was escaped may be half of a character: what was not is UTF-8 already.
  return /[^\0-\xff]/.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}
