import type { Settings } from '../config/settings.js';
import { judgeAll } from '../holdings/sweep.js';
import { clusterIdOf } from '../temporal/client.js';
import { askLiveness } from '../temporal/liveness.js';
import type { CleanupFlags } from './cleanup.js';
import { showAndRelease } from './leftovers.js';
import { Output } from './output.js';
import { withSweepTools } from './sweepTools.js';
import { accessTemporal } from './temporalAccess.js';

/** Cleans up by the rules of src/domain/release.ts: whose run is living is asked of its server. */
export async function cleanUpOnline(settings: Settings, flags: CleanupFlags): Promise<void> {
  const output = new Output(flags.json);
  const { client } = await accessTemporal(settings);
  const cluster = await clusterIdOf(client);
  await withSweepTools(settings, async (tools, silent) => {
    const { namespace } = settings.temporal;
    const rules = { cluster, namespace, maximumAgeMs: settings.maximumSnapshotAgeMs };
    const judgement = await judgeAll(tools, (owner) => askLiveness(client, owner), rules);
    await showAndRelease(
      { ...judgement, troubles: [...silent, ...judgement.troubles] },
      tools,
      flags,
      output,
    );
  });
  await client.connection.close();
}
