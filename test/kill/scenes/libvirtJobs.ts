import type { Job, SeenHolding } from '../scene.js';
import { FILES_JOB } from './filePoints.js';

const BACKUP = [
  ...['preflight', 'askPermit', 'freezeScript', 'snapshot', 'thawScript', 'transfer'],
  ...['writeCatalog', 'commitSnapshot', 'vcbCleanup', 'settle'],
];
const MOUNT = [
  ...['preflightMount', 'askPermit', 'freezeScript', 'snapshot', 'thawScript', 'mount', 'watchMounts'],
  ...['vcbCleanup', 'commitSnapshot', 'settle'],
];
const RESTORE = [
  ...['verifyBackup', 'planRestore', 'uploadDisks', 'createVm'],
  ...['finishRestore', 'vcbCleanup', 'settle'],
];

export interface LibvirtJob extends Job {
  readonly flags: readonly string[];
  readonly overwrites?: true;
}

const TO_CATALOG = { run: 'backup', steps: BACKUP, moves: 'transfer', finishes: 'writeCatalog' } as const;
const TO_VM = { run: 'restore', steps: RESTORE, moves: 'uploadDisks', finishes: 'finishRestore' } as const;

const MOUNT_JOB: LibvirtJob = {
  ...{ name: 'mount', run: 'mount', steps: MOUNT, moves: 'watchMounts', finishes: 'watchMounts' },
  flags: [],
};

export const LIBVIRT_JOBS: readonly LibvirtJob[] = [
  { name: 'pull', ...TO_CATALOG, flags: ['--point-in-time', 'pull'] },
  { name: 'overlay', ...TO_CATALOG, flags: ['--point-in-time', 'overlay'] },
  {
    name: 'pull over ssh',
    ...TO_CATALOG,
    flags: ['--point-in-time', 'pull'],
    over: 'ssh',
  },
  { name: 'pull raw', ...TO_CATALOG, flags: ['--point-in-time', 'pull', '--disk-format', 'raw'] },
  { name: 'restore copy', ...TO_VM, flags: ['--new-addresses'] },
  { name: 'restore over', ...TO_VM, flags: ['--overwrite'], overwrites: true },
  // Nobody but root can mount for others.
  ...(process.getuid?.() === 0 ? [MOUNT_JOB, { ...FILES_JOB, flags: [] }] : []),
];

export const LIBVIRT_HOLDINGS: readonly SeenHolding[] = [
  { kind: 'pausedApplication', job: 'pull', pattern: /^the application of "writer" rests/ },
  { kind: 'snapshot', job: 'pull', pattern: /^a job of "writer"/ },
  { kind: 'snapshot', job: 'overlay', pattern: /^"writer" runs on/ },
  { kind: 'partialDirectory', job: 'pull', pattern: /^unfinished backup backups\/writer-/ },
  { kind: 'uploadedFile', job: 'restore copy', pattern: /^uploaded files/ },
  { kind: 'halfRestoredVm', job: 'restore copy', pattern: /^half-restored VM "restored-/ },
  { kind: 'replacedVm', job: 'restore over', pattern: /^half-restored VM "[^"]*\.replaced-/ },
  ...(process.getuid?.() === 0
    ? ([
        { kind: 'volumeMount', job: 'mount', pattern: /^mount backups\/writer-\d+\/disks/ },
        { kind: 'volumeMount', job: 'files', pattern: /^mount state\/mounted\/.*disks/ },
      ] as const)
    : []),
];

/** @throws Error for a job of another host */
export function libvirtJob({ name }: Job): LibvirtJob {
  const found = LIBVIRT_JOBS.find((job) => job.name === name);
  if (found === undefined) throw new Error(`no job "${name}"`);
  return found;
}
