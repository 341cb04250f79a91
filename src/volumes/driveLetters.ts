import { runTool } from './tool.js';
import type { Volume } from './volume.js';

/** What a Windows guest's registry says of one drive letter. */
export type DriveLetter =
  | { readonly letter: string; readonly signature: string; readonly offsetBytes: number }
  | { readonly letter: string; readonly partUuid: string };

const TIMEOUT_MS = 30_000;
/** `"\\DosDevices\\C:"=hex(3):44,33,22,11` */
const LINE = /^"\\\\DosDevices\\\\([A-Z]):"=hex(?:\(3\))?:([0-9a-f,]+)$/gim;
const GPT_MARK = Buffer.from('DMIO:ID:', 'latin1');
const MBR_BYTES = 12;
const GUID_BYTES = 16;

/** The letters that a SYSTEM hive gives to partitions; others (of CDs, of dynamic disks) are left out. @throws EverthawError */
export async function readDriveLetters(hive: string): Promise<readonly DriveLetter[]> {
  const printed: string[] = [];
  await runTool({
    program: 'hivexget',
    args: [hive, '\\MountedDevices'],
    what: 'read the guest’s registry for its drive letters',
    timeoutMs: TIMEOUT_MS,
    onOutput: (text) => printed.push(text),
  });
  return parseDriveLetters(printed.join(''));
}

export function parseDriveLetters(printed: string): readonly DriveLetter[] {
  return [...printed.matchAll(LINE)].flatMap(([, letter = '', hex = '']): readonly DriveLetter[] => {
    const value = Buffer.from(hex.replaceAll(',', ''), 'hex');
    const name = letter.toUpperCase();
    if (value.length === MBR_BYTES) {
      const signature = value.readUInt32LE(0).toString(16).padStart(8, '0');
      return [{ letter: name, signature, offsetBytes: Number(value.readBigUInt64LE(4)) }];
    }
    const isGpt = value.length === GPT_MARK.length + GUID_BYTES && value.indexOf(GPT_MARK) === 0;
    return isGpt ? [{ letter: name, partUuid: formatGuid(value.subarray(GPT_MARK.length)) }] : [];
  });
}

/** Its first three fields are little-endian. */
function formatGuid(bytes: Buffer): string {
  const hex = (from: number, to: number): string => bytes.toString('hex', from, to);
  const first = Buffer.from(bytes.subarray(0, 8));
  first.subarray(0, 4).reverse();
  first.subarray(4, 6).reverse();
  first.subarray(6, 8).reverse();
  const text = first.toString('hex');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12), hex(8, 10), hex(10, 16)].join('-');
}

export function hasLetter(volume: Volume, letter: DriveLetter): boolean {
  return 'partUuid' in letter
    ? volume.partUuid === letter.partUuid
    : volume.tableUuid === letter.signature && volume.offsetBytes === letter.offsetBytes;
}
