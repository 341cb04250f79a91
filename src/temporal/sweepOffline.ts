import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { machineIdentity } from '../system/machine.js';
import { decideOffline } from '../domain/offline.js';
import { listAll, type SweepTools } from '../holdings/listing.js';
import { judge, type Judgement } from '../holdings/sweep.js';
import { lastHeard } from './contact.js';
import { livingWorker } from './livingWorkers.js';

/** Lists everything that is held, and decides what may go though no server can be asked. */
export async function sweepOffline(settings: Settings, tools: SweepTools): Promise<Judgement> {
  const directories = stateDirectories(settings);
  const worker = tools.isWorker === true ? undefined : await livingWorker(directories.workers);
  const rules = {
    proxy: settings.proxy,
    ...(await machineIdentity()),
    heard: await lastHeard(directories.contact),
    afterMs: settings.offlineAfterMs,
    maximumAgeMs: settings.maximumSnapshotAgeMs,
    livingWorker: worker,
  };
  return judge(await listAll(tools), (found) =>
    // What a run wrote to a file it may yet go on with; a process is gone with its boot.
    decideOffline(
      {
        ...found,
        diesWithBoot: found.kind === 'nbdServer' || found.kind === 'volumeMount',
        isNeededToEnd: found.kind === 'hostLoan',
      },
      rules,
    ),
  );
}
