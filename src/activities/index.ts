import { createCommitSnapshot, createSettle, createVcbCleanup } from './cleanup.js';
import { createSweep, type SweepDependencies } from './sweep.js';
import { visiting } from './visiting.js';
import { createRemoveSnapshots, createUseSnapshot } from './existingSnapshot.js';
import { createFinishFiles, createMoveFiles, createPreflightFiles } from './backupFiles.js';
import { createFetchBackup } from './fetchBackup.js';
import { createCheckMounts, createMount, createPreflightMount, createWatchMounts } from './mount.js';
import {
  createFindJobVms,
  createForgetOld,
  createLastJobState,
  createLendHost,
  createNotify,
  type JobTools,
} from './jobs.js';
import { createAskPermit, createFindClosedRuns, type PermitTools } from './permits.js';
import { createPreflight } from './preflight.js';
import { createRemoveLeftovers } from './removeLeftovers.js';
import { createPlanRestore } from './restorePlan.js';
import { createCreateVm, createFinishRestore, createImportVm, createUploadDisks } from './restoreVm.js';
import { createFreezeScript, createThawScript } from './freezeScripts.js';
import { createSnapshot } from './snapshot.js';
import { createTransfer } from './transfer.js';
import { createVerifyBackup } from './verifyBackup.js';
import { createWaitForRoom } from './waitForRoom.js';
import { createWriteCatalog } from './writeCatalog.js';

/** All activities, by the names that the Temporal UI shows. */
export function createActivities(dependencies: SweepDependencies, permits: PermitTools, jobs: JobTools) {
  return {
    preflight: createPreflight(dependencies),
    freezeScript: visiting(dependencies, createFreezeScript(dependencies)),
    snapshot: visiting(dependencies, createSnapshot(dependencies)),
    useSnapshot: visiting(dependencies, createUseSnapshot(dependencies)),
    removeSnapshots: visiting(dependencies, createRemoveSnapshots(dependencies)),
    thawScript: visiting(dependencies, createThawScript(dependencies)),
    transfer: createTransfer(dependencies),
    waitForRoom: createWaitForRoom(dependencies),
    writeCatalog: createWriteCatalog(dependencies),
    preflightFiles: createPreflightFiles(dependencies),
    moveFiles: createMoveFiles(dependencies),
    finishFiles: createFinishFiles(dependencies),
    preflightMount: createPreflightMount(dependencies),
    mount: createMount(dependencies),
    checkMounts: createCheckMounts(dependencies),
    watchMounts: createWatchMounts(dependencies),
    commitSnapshot: visiting(dependencies, createCommitSnapshot(dependencies)),
    vcbCleanup: visiting(dependencies, createVcbCleanup(dependencies)),
    settle: createSettle(dependencies),
    fetchBackup: createFetchBackup(dependencies),
    verifyBackup: createVerifyBackup(),
    planRestore: createPlanRestore(dependencies),
    importVm: createImportVm(dependencies),
    uploadDisks: createUploadDisks(dependencies),
    createVm: visiting(dependencies, createCreateVm(dependencies)),
    finishRestore: createFinishRestore(dependencies),
    removeLeftovers: createRemoveLeftovers(dependencies),
    sweep: createSweep(dependencies),
    askPermit: createAskPermit(permits),
    findClosedRuns: createFindClosedRuns(permits),
    findJobVms: createFindJobVms(jobs),
    lendHost: createLendHost(dependencies, jobs),
    forgetOld: createForgetOld(jobs),
    lastJobState: createLastJobState(jobs),
    notify: createNotify(jobs),
  };
}

export type Activities = ReturnType<typeof createActivities>;
