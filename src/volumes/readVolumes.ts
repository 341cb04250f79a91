import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { EverthawError } from '../domain/errors.js';
import { exitOf, spawnTethered, tailOf } from '../system/program.js';
import type { ImageDisk } from './volume.js';
import type { FoundVolumes, VolumesOrder, VolumesReport, VolumesTask } from './volumesOrder.js';

const PROCESS = fileURLToPath(new URL('./volumesProcess.js', import.meta.url));

/** So long a broken file system may be silent before it is given up. */
const SILENCE_MS = 5 * 60_000;

/**
 * Opens a VM's volumes read-only for one task, in namespaces of their own. `scratch` is a directory of this user's own that stays empty: many
 * may be at work in it at once, and none sees another's mounts.
 *
 * @throws EverthawError
 */
export async function readVolumes(
  images: readonly ImageDisk[],
  task: VolumesTask,
  scratch: string,
  onReport: (report: VolumesReport) => void,
  silenceMs = SILENCE_MS,
): Promise<void> {
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const isRoot = process.getuid?.() === 0;
  const child = spawnTethered(
    'unshare',
    [
      // A network it has none: nothing that a guest's file system might do to its reader gets far.
      ...['--mount', '--pid', '--ipc', '--net', '--fork', '--kill-child'],
      ...(isRoot ? [] : ['--user', '--map-root-user']),
      ...['--', process.execPath, PROCESS],
    ],
    { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
  );
  const tail = tailOf(child);
  const ended = exitOf(child);
  let last: VolumesReport | undefined;
  const silence = new AbortController();
  const giveUp = (): void => {
    silence.abort();
    child.kill('SIGKILL');
  };
  let timer = setTimeout(giveUp, silenceMs);
  child.on('message', (message) => {
    last = message as VolumesReport;
    clearTimeout(timer);
    timer = setTimeout(giveUp, silenceMs);
    onReport(last);
  });
  try {
    const order: VolumesOrder = { scratch, images, keepsOwners: isRoot, task };
    // One that ended already says why by its exit.
    child.send(order, () => undefined);
    const exit = await ended;
    if (last?.kind === 'failed') throw new EverthawError(last.error);
    if (last?.kind !== 'done')
      throw failed(exit, silence.signal.aborted ? `it said nothing for ${silenceMs / 1000} s` : tail());
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
}

/** As {@link readVolumes}, which volumes there are. */
export async function findAllVolumes(images: readonly ImageDisk[], scratch: string): Promise<FoundVolumes> {
  let found: FoundVolumes | undefined;
  await readVolumes(images, { kind: 'volumes' }, scratch, (report) => {
    if (report.kind === 'volumes') found = report;
  });
  if (found === undefined) throw new Error('the process that reads volumes found none and said nothing');
  return found;
}

function failed(exit: number | string, why: string): EverthawError {
  return new EverthawError({
    code: 'ProgramFailed',
    what: 'open the volumes',
    why: `the process that reads them ended with ${exit}${why === '' ? '' : ` (${why})`}`,
    hint: 'run it as root, or let users make namespaces; one volume may be broken: ask for another (docs/files.md)',
  });
}
