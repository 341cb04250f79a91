/** Everything that runs as a workflow. */
export { backupFiles } from './backupFiles.js';
export { backupVm } from './backupVm.js';
export { mountVm } from './mountVm.js';
export { permits } from './permits.js';
export { runJob } from './runJob.js';
export { startJob } from './startJob.js';
export { restoreVm } from './restoreVm.js';
export { sweep } from './sweep.js';
