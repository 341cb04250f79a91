import type { Job, SeenHolding } from '../scene.js';
import { FILES_JOB } from './filePoints.js';

const BACKUP = [
  'preflight',
  'askPermit',
  'freezeScript',
  'snapshot',
  'transfer',
  'writeCatalog',
  'commitSnapshot',
  'vcbCleanup',
  'settle',
];
const MOUNT = [
  'preflightMount',
  'askPermit',
  'freezeScript',
  'snapshot',
  'mount',
  'watchMounts',
  'vcbCleanup',
  'commitSnapshot',
  'settle',
];
const IMPORT = ['verifyBackup', 'planRestore', 'importVm', 'finishRestore', 'vcbCleanup', 'settle'];
const UPLOAD = [
  'verifyBackup',
  'planRestore',
  'uploadDisks',
  'createVm',
  'finishRestore',
  'vcbCleanup',
  'settle',
];

export interface VsphereJob extends Job {
  readonly transport: 'nbdssl:lease' | 'nbdssl:datastore';
  readonly overwrites?: true;
}

const MOUNT_JOB: VsphereJob = {
  name: 'mount',
  run: 'mount',
  transport: 'nbdssl:datastore',
  steps: MOUNT,
  moves: 'watchMounts',
  finishes: 'watchMounts',
};

export const VSPHERE_JOBS: readonly VsphereJob[] = [
  {
    name: 'lease',
    run: 'backup',
    transport: 'nbdssl:lease',
    steps: BACKUP,
    moves: 'transfer',
    finishes: 'writeCatalog',
  },
  {
    name: 'datastore',
    run: 'backup',
    transport: 'nbdssl:datastore',
    steps: BACKUP,
    moves: 'transfer',
    finishes: 'writeCatalog',
  },
  {
    name: 'restore import',
    run: 'restore',
    transport: 'nbdssl:lease',
    steps: IMPORT,
    moves: 'importVm',
    finishes: 'finishRestore',
  },
  {
    name: 'restore upload',
    run: 'restore',
    transport: 'nbdssl:datastore',
    steps: UPLOAD,
    moves: 'uploadDisks',
    finishes: 'finishRestore',
  },
  {
    name: 'restore over',
    run: 'restore',
    transport: 'nbdssl:lease',
    overwrites: true,
    steps: IMPORT,
    moves: 'importVm',
    finishes: 'finishRestore',
  },
  // Nobody but root can mount for others.
  ...(process.getuid?.() === 0 ? [MOUNT_JOB, { ...FILES_JOB, transport: 'nbdssl:datastore' } as const] : []),
];

export const VSPHERE_HOLDINGS: readonly SeenHolding[] = [
  { kind: 'loginSession', job: 'lease', pattern: /^login session/ },
  { kind: 'snapshot', job: 'lease', pattern: /^snapshot "_VCB_BACKUP_" of VM "db"/ },
  { kind: 'exportLease', job: 'lease', pattern: /^export lease of VM "db"/ },
  { kind: 'partialDirectory', job: 'lease', pattern: /^unfinished backup backups\/db-/ },
  { kind: 'nbdServer', job: 'datastore', pattern: /^process .*nbdkit/ },
  { kind: 'importLease', job: 'restore import', pattern: /^import lease/ },
  { kind: 'halfRestoredVm', job: 'restore import', pattern: /^half-restored VM "restored-/ },
  { kind: 'replacedVm', job: 'restore over', pattern: /^half-restored VM "[^"]*\.replaced-/ },
  { kind: 'uploadedFile', job: 'restore upload', pattern: /^uploaded files/ },
  ...(process.getuid?.() === 0
    ? ([
        { kind: 'volumeMount', job: 'mount', pattern: /^mount backups\/db-\d+\/disks/ },
        { kind: 'volumeMount', job: 'files', pattern: /^mount state\/mounted\/.*disks/ },
      ] as const)
    : []),
];

/** @throws Error for a job of another host */
export function vsphereJob({ name }: Job): VsphereJob {
  const found = VSPHERE_JOBS.find((job) => job.name === name);
  if (found === undefined) throw new Error(`no job "${name}"`);
  return found;
}
