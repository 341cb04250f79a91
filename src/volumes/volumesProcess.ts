import { EverthawError, type ErrorParts } from '../domain/errors.js';
import { copyFiles } from './copyFiles.js';
import { findGuestFile } from './guestFile.js';
import { findPath, volumesWithin, type GuestPath } from './guestPath.js';
import { listFiles } from './listFiles.js';
import { openVolumes, type OpenVolumes } from './openVolumes.js';
import { reasonOf, runTool } from './tool.js';
import type { CopySource } from './copyFiles.js';
import type { VolumesOrder, VolumesReport, VolumesTask } from './volumesOrder.js';

/*
 * The process in which a guest's volumes are open. It is the first of a process namespace and sees a mount namespace of its own
 * (readVolumes.ts): nothing else on the machine sees the mounts, and when it ends, however it ends, the kernel ends all that was
 * started in it and the mounts are gone. There is nothing to let go, and nothing that could be left over.
 */

async function work({ scratch, images, keepsOwners, task }: VolumesOrder): Promise<void> {
  await runTool({
    program: 'mount',
    args: ['-t', 'tmpfs', '-o', 'mode=0700,nosuid,nodev,noexec', 'everthaw', scratch],
    what: 'make a place for the volumes',
  });
  const open = await openVolumes(images, scratch);
  await perform(task, open, keepsOwners);
}

async function perform(task: VolumesTask, open: OpenVolumes, keepsOwners: boolean): Promise<void> {
  switch (task.kind) {
    case 'volumes':
      report({ kind: 'volumes', volumes: open.volumes, disks: open.disks, notes: open.notes });
      return;
    case 'list': {
      const { volume, steps } = findPath(task.path, open.volumes);
      await listFiles(open.rootOf(volume), steps, (entries) => {
        report({ kind: 'entries', entries });
      });
      return;
    }
    case 'copy': {
      const paths = task.paths.map((path) => findPath(path, open.volumes));
      const { sources, refused } = await sourcesOf(paths, open);
      const copied = await copyFiles(sources, task.to, keepsOwners, (bytes) => {
        report({ kind: 'progress', bytes });
      });
      report({ kind: 'copied', copied: { ...copied, failures: [...refused, ...copied.failures] } });
      return;
    }
  }
}

/** All that is wanted is looked for before the first byte is copied. */
async function sourcesOf(
  paths: readonly GuestPath[],
  { volumes, rootOf }: OpenVolumes,
): Promise<{ readonly sources: readonly CopySource[]; readonly refused: readonly string[] }> {
  const wanted = new Map<string, CopySource>();
  const refused: string[] = [];
  const add = (volume: GuestPath['volume'], steps: readonly string[]): void => {
    const files = wanted.get(volume.id)?.files ?? [];
    wanted.set(volume.id, { volume, root: rootOf(volume), files: [...files, steps] });
  };
  for (const path of paths) {
    add(path.volume, (await findGuestFile(rootOf(path.volume), path.steps)).steps);
    for (const within of volumesWithin(path, volumes))
      if (within.refusal === undefined) add(within, []);
      else refused.push(`${within.name ?? ''} (volume ${within.id}): ${within.refusal}`);
  }
  return { sources: [...wanted.values()], refused };
}

function report(message: VolumesReport): void {
  process.send?.(message);
}

function partsOf(error: unknown, task: VolumesTask): ErrorParts {
  if (error instanceof EverthawError) {
    const { code, what, why, hint, retry } = error;
    return { code, what, why, hint, retry };
  }
  const hint = 'the volume may be damaged: restore the VM, and look at it there';
  return { code: 'ProgramFailed', what: whatOf(task), why: reasonOf(error), hint };
}

function whatOf(task: VolumesTask): string {
  switch (task.kind) {
    case 'volumes':
      return 'look for the volumes';
    case 'list':
      return `list "${task.path}"`;
    case 'copy':
      return `copy ${task.paths.map((path) => `"${path}"`).join(', ')}`;
  }
}

process.once('disconnect', () => {
  process.exit(1);
});
process.once('message', (message) => {
  const order = message as VolumesOrder;
  work(order)
    .then(
      (): VolumesReport => ({ kind: 'done' }),
      (error: unknown): VolumesReport => ({ kind: 'failed', error: partsOf(error, order.task) }),
    )
    .then((last) => process.send?.(last, () => process.exit(0)))
    .catch(() => process.exit(1));
});
