import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filePointsName } from '../../../src/domain/filePoints.js';
import type { LabEverthaw } from '../../lab/everthaw.js';
import type { Errand, Job } from '../scene.js';

const STEPS = [
  ...['preflightFiles', 'askPermit', 'freezeScript', 'snapshot', 'mount', 'moveFiles', 'finishFiles'],
  ...['vcbCleanup', 'commitSnapshot', 'settle'],
] as const;

/** A backup of files, on any host. */
export const FILES_JOB = {
  ...{ name: 'files', run: 'files', steps: STEPS, moves: 'moveFiles', finishes: 'finishFiles' },
} as const satisfies Job;

/** Its restore points lie in a directory of the case's own. */
export async function filesErrand(
  job: Job,
  vmName: string,
  number: number,
  destination: string,
): Promise<Errand> {
  const root = join(destination, `files-${number}`);
  await mkdir(root);
  const target = join(root, filePointsName(vmName));
  return { job, target, vmName, command: ['files', 'backup', vmName, '--root', root] };
}

/** Tells what is wrong with the files of the only restore point, which are copied out of it to be looked at. */
export async function wrongFiles(
  everthaw: LabEverthaw,
  { target }: Errand,
  look: (directory: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const points = await readdir(target);
  const [point] = points;
  if (point === undefined || points.length > 1) return [`${target} holds ${points.join(', ') || 'nothing'}`];
  const backup = join(target, point);
  const listed = await everthaw.everthaw('files', 'ls', backup, '--json');
  const volumes = listed.stdout.split('\n').flatMap((line) => {
    const { id } = JSON.parse(line || '{}') as { readonly id?: string };
    return id ?? [];
  });
  const directory = await mkdtemp(join(tmpdir(), 'everthaw-kill-files-'));
  try {
    const to = join(directory, 'to');
    const copied = await everthaw.everthaw('files', 'get', backup, ...volumes, '--to', to);
    return copied.code === 0
      ? await look(to)
      : [`its files cannot be copied: ${copied.stderr}${copied.stdout}`];
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Of a backup of files that did not succeed: no restore point. */
export async function filePointsIn(target: string): Promise<readonly string[]> {
  const names = await readdir(target).catch((): readonly string[] => []);
  return names.map((name) => `${target} holds ${name}`);
}
