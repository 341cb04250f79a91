import { formatBytes } from '../domain/format.js';
import { printable } from '../domain/printable.js';
import {
  verifyRestorePoint,
  type OnVerified,
  type VerifiedPoint,
} from '../destinations/verifyRestorePoint.js';
import { EXIT, Output } from './output.js';
import { storedBackup } from './storedBackups.js';

/** Often enough for the eye. */
const TELL_MS = 200;

/** Verifies backups one after the other: all are looked at, whatever the first is like. */
export async function verifyPoints(directories: readonly string[], json: boolean): Promise<void> {
  const output = new Output(json);
  const states = new Set<VerifiedPoint['state']>();
  for (const directory of directories) {
    const told = progressOf(json);
    const point = await verifyRestorePoint(
      await storedBackup(directory),
      told.tell,
      new AbortController().signal,
    );
    told.end();
    states.add(point.state);
    output.result(point, linesOf(point));
  }
  if (states.has('bad')) process.exitCode = EXIT.failed;
  else if (states.has('unknown')) process.exitCode = EXIT.partial;
}

function linesOf({ state, directory, vm, bytes, faults, unseen, notes }: VerifiedPoint): readonly string[] {
  return [
    `${state}: ${directory}${vm === undefined ? '' : ` ("${vm}", ${formatBytes(bytes)})`}`,
    ...faults.map((fault) => `  bad: ${fault}`),
    ...unseen.map((each) => `  not looked at: ${each}`),
    ...notes.map((note) => `  note: ${note}`),
  ].map(printable);
}

/** One line of a terminal that is written again and again; nothing elsewhere. */
function progressOf(json: boolean): { readonly tell: OnVerified; readonly end: () => void } {
  if (!process.stdout.isTTY || json) return { tell: () => undefined, end: () => undefined };
  let told = 0;
  return {
    tell: (file, bytes, totalBytes) => {
      if (Date.now() - told < TELL_MS) return;
      told = Date.now();
      const share = totalBytes === 0 ? 100 : Math.floor((bytes / totalBytes) * 100);
      process.stdout.write(`\r\u001b[K${share}% of ${formatBytes(totalBytes)}: ${printable(file)}`);
    },
    end: () => {
      process.stdout.write('\r\u001b[K');
    },
  };
}
