import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { printable } from '../domain/printable.js';
import { EXIT, Output } from './output.js';
import type { RestoreFlags } from './restore.js';
import { runRestore } from './runRestore.js';
import { storedBackupsBelow } from './storedBackups.js';

/**
 * Restores every backup below a directory, one after the other, and tells what became of each. A catalog that is given is used for each
 * of them. What is not finished, or damaged, counts as failed; what
 * is being removed is no backup.
 *
 * @throws EverthawError WrongUsage where there is none
 */
export async function restoreAll(settings: Settings, directory: string, flags: RestoreFlags): Promise<void> {
  const output = new Output(flags.json);
  const points = (await storedBackupsBelow([directory])).filter(({ state }) => state !== 'removing');
  if (points.length === 0) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `restore all backups below "${directory}"`,
      why: 'there is none',
      hint: 'name the directory that they lie in, as BACKUPROOT',
    });
  }
  let failed = 0;
  for (const point of points) {
    output.say(`== ${printable(point.directory)}`);
    try {
      if (point.state !== 'whole') throw unfinished(point.directory, point.why);
      await runRestore(settings, point.directory, flags);
    } catch (error) {
      failed += 1;
      output.error(error);
    }
  }
  output.result({ state: stateOf(failed, points.length), backups: points.length, failed }, [
    `${points.length - failed} of ${points.length} done, ${failed} failed`,
  ]);
  if (failed > 0) process.exitCode = failed === points.length ? EXIT.failed : EXIT.partial;
}

function stateOf(failed: number, all: number): 'succeeded' | 'partial' | 'failed' {
  return failed === 0 ? 'succeeded' : failed === all ? 'failed' : 'partial';
}

function unfinished(directory: string, why: string): EverthawError {
  return new EverthawError({
    code: 'BackupDamaged',
    what: `restore the backup in "${directory}"`,
    why,
    hint: 'look at it with everthaw verify',
  });
}
