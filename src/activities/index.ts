import { createCommitSnapshot, createSettle, createVcbCleanup } from './cleanup.js';
import type { Dependencies } from './dependencies.js';
import { createPreflight } from './preflight.js';
import { createPlanRestore } from './restorePlan.js';
import { createCreateVm, createFinishRestore, createImportVm, createUploadDisks } from './restoreVm.js';
import { createFreezeScript, createSnapshot } from './snapshot.js';
import { createTransfer } from './transfer.js';
import { createVerifyBackup } from './verifyBackup.js';
import { createWriteCatalog } from './writeCatalog.js';

/** All activities, by the names that the Temporal UI shows. */
export function createActivities(dependencies: Dependencies) {
  return {
    preflight: createPreflight(dependencies),
    freezeScript: createFreezeScript(dependencies),
    snapshot: createSnapshot(dependencies),
    transfer: createTransfer(dependencies),
    writeCatalog: createWriteCatalog(dependencies),
    commitSnapshot: createCommitSnapshot(dependencies),
    vcbCleanup: createVcbCleanup(dependencies),
    settle: createSettle(dependencies),
    verifyBackup: createVerifyBackup(),
    planRestore: createPlanRestore(dependencies),
    importVm: createImportVm(dependencies),
    uploadDisks: createUploadDisks(dependencies),
    createVm: createCreateVm(dependencies),
    finishRestore: createFinishRestore(dependencies),
  };
}

export type Activities = ReturnType<typeof createActivities>;
