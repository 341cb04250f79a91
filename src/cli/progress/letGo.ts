import type { Holding, HoldingKind } from '../../domain/holding.js';
import type { DoneStep } from './doneSteps.js';

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
  loginSession: 'login session',
  hostLoan: 'password of the host',
} as const satisfies Record<HoldingKind, string>;

/** Steps that let go of one holding and end when its absence was observed. */
const RELEASES = ['commitSnapshot', 'vcbCleanup'];

/** What a run let go of, in order. */
export function letGoIn(done: readonly DoneStep[]): readonly string[] {
  const names = done
    .filter(({ type }) => RELEASES.includes(type))
    .map(({ input }) => NAMES[(input as { readonly holding: Holding }).holding.kind]);
  return [...new Set(names)];
}
