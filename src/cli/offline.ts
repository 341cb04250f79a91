import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { sweepOffline } from '../temporal/sweepOffline.js';
import { clusterIdOf, connectClient } from '../temporal/client.js';
import { findDaemon } from '../temporal/daemon.js';
import type { CleanupFlags } from './cleanup.js';
import { showAndRelease } from './leftovers.js';
import { Output } from './output.js';
import { withSweepTools } from './sweepTools.js';

/** Cleans up where no Temporal server answers, by the rules of src/domain/offline.ts. @throws EverthawError where one does */
export async function cleanUpOffline(settings: Settings, flags: CleanupFlags): Promise<void> {
  await refuseIfServed(settings);
  const output = new Output(flags.json);
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

async function refuseIfServed(settings: Settings): Promise<void> {
  const { namespace } = settings.temporal;
  const address = settings.temporal.address ?? (await findDaemon(stateDirectories(settings).daemon))?.address;
  if (address === undefined) return;
  try {
    const client = await connectClient({ address, namespace });
    try {
      await clusterIdOf(client);
    } finally {
      await client.connection.close();
    }
  } catch {
    return;
  }
  throw new EverthawError({
    code: 'WrongUsage',
    what: 'clean up offline',
    why: `the Temporal server at ${address} answers, and knows who lives`,
    hint: 'leave --offline out',
  });
}
