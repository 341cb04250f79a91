import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { sweepOffline } from '../temporal/sweepOffline.js';
import { clusterIdOf, connectClient } from '../temporal/client.js';
import { findDaemon } from '../temporal/daemon.js';
import type { CleanupFlags } from './cleanup.js';
import { showAndRelease } from './leftovers.js';
import { Output } from './output.js';
import { withSweepTools } from './sweepTools.js';

/** Cleans up where no Temporal server answers, by the rules of src/domain/offline.ts. Where one does, nothing is to be done here. */
export async function cleanUpOffline(settings: Settings, flags: CleanupFlags): Promise<void> {
  const output = new Output(flags.json);
  const server = await answeringServer(settings);
  if (server !== undefined) {
    const why = `the Temporal server at ${server} answers, and knows who lives`;
    output.result({ state: 'skipped', why }, [
      `nothing is done offline: ${why}. To clean up by what it says, leave --offline out`,
    ]);
    return;
  }
  await withSweepTools(settings, async (tools, silent) => {
    const judgement = await sweepOffline(settings, tools);
    await showAndRelease(
      { ...judgement, troubles: [...silent, ...judgement.troubles] },
      { ...tools, mayRunsComeBack: true },
      flags,
      output,
    );
  });
}

/** The address of the configured server, or of the embedded one, where it answers. */
async function answeringServer(settings: Settings): Promise<string | undefined> {
  const { namespace } = settings.temporal;
  const address = settings.temporal.address ?? (await findDaemon(stateDirectories(settings).daemon))?.address;
  if (address === undefined) return undefined;
  try {
    const client = await connectClient({ address, namespace });
    try {
      await clusterIdOf(client);
      return address;
    } finally {
      await client.connection.close();
    }
  } catch {
    return undefined;
  }
}
