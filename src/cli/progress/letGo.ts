import type { WorkflowHandle } from '@temporalio/client';
import type { Holding, HoldingKind } from '../../domain/holding.js';
import { doneSteps } from './doneSteps.js';

/** What each kind of holding is to somebody who gave a run up. */
const NAMES = {
  snapshot: 'snapshot',
  pausedApplication: 'paused application',
  freeze: 'freeze',
  exportLease: 'export lease',
  importLease: 'import lease',
  halfRestoredVm: 'half-restored VM',
  replacedVm: 'VM that was to be replaced, by its own name',
  uploadedFile: 'uploaded files',
  nbdServer: 'NBD server',
  partialDirectory: 'unfinished backup',
  stagedExport: 'export',
  volumeMount: 'mounted volumes',
  loginSession: 'login session',
  hostLoan: 'password of the host',
} as const satisfies Record<HoldingKind, string>;

/** Steps that let go of one holding and end when its absence was observed. */
const RELEASES = ['commitSnapshot', 'vcbCleanup'];

/** What a run let go of, in order, as its history tells it. */
export async function tellLetGo(handle: WorkflowHandle): Promise<string> {
  const done = await doneSteps(handle).catch(() => []);
  const names = done
    .filter(({ type }) => RELEASES.includes(type))
    .map(({ input }) => NAMES[(input as { readonly holding: Holding }).holding.kind]);
  return `Let go, and seen to be gone: ${names.length === 0 ? 'it held nothing' : [...new Set(names)].join(', ')}`;
}
