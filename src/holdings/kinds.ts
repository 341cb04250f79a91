import { EverthawError } from '../domain/errors.js';
import type { Holding, HoldingKind } from '../domain/holding.js';
import { freeze, pausedApplication } from './guestDebt.js';
import { halfRestoredVm } from './halfRestoredVm.js';
import { hostLoan } from './hostLoan.js';
import type { Kind, ReleaseTools } from './kind.js';
import { exportLease, importLease } from './lease.js';
import { loginSession } from './loginSession.js';
import { nbdServer } from './nbdServer.js';
import { partialDirectory } from './partialDirectory.js';
import { replacedVm } from './replacedVm.js';
import { stagedExport } from './stagedExport.js';
import { snapshot } from './snapshot.js';
import { uploadedFile } from './uploadedFile.js';
import { volumeMount } from './volumeMount.js';

/** Every kind of holding. A new resource is one new file and one line here. */
export const KINDS: { readonly [K in HoldingKind]: Kind<K> } = {
  pausedApplication,
  freeze,
  snapshot,
  exportLease,
  importLease,
  nbdServer,
  uploadedFile,
  halfRestoredVm,
  replacedVm,
  partialDirectory,
  stagedExport,
  volumeMount,
  loginSession,
  hostLoan,
};

/** What of these must be gone before the next can go: a sweep takes the kinds in this order. */
export const SWEEP_ORDER: readonly HoldingKind[] = [
  'freeze',
  'pausedApplication',
  'volumeMount',
  'nbdServer',
  'exportLease',
  'importLease',
  'halfRestoredVm',
  'replacedVm',
  'uploadedFile',
  'snapshot',
  'partialDirectory',
  'stagedExport',
  'loginSession',
  'hostLoan',
];

/**
 * Lets a holding go: releases it and looks whether it is gone.
 *
 * @throws EverthawError (to be tried again) where it is still there, or where that cannot be seen.
 */
export async function letGo(holding: Holding, tools: ReleaseTools): Promise<void> {
  const kind = KINDS[holding.kind] as Kind<HoldingKind>;
  await kind.release(holding, tools);
  const absence = await kind.absence(holding, tools);
  if (absence.state === 'gone') return;
  throw new EverthawError({
    code: 'ResourceBusy',
    what: `let go of the ${holding.kind} of VM "${holding.vm.name}"`,
    why:
      absence.state === 'present'
        ? `it is still there: ${absence.why}`
        : `whether it is gone cannot be seen: ${absence.why}`,
    hint: 'it is tried again until it is gone',
    retry: 'again',
  });
}
