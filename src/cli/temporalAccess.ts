import type { Client } from '@temporalio/client';
import { stateDirectories } from '../config/directories.js';
import { environmentWith, type Settings } from '../config/settings.js';
import { connectClient } from '../temporal/client.js';
import { ensureDaemon, findDaemon } from '../temporal/daemon.js';
import { resolveTemporal } from '../temporal/program.js';

export interface TemporalAccess {
  readonly client: Client;
  readonly uiUrl: string | undefined;
}

/** A client of the server that is configured, or of the embedded one, which is started on demand. */
export async function accessTemporal(settings: Settings): Promise<TemporalAccess> {
  const { address, namespace } = settings.temporal;
  if (address !== undefined) return { client: await connectClient({ address, namespace }), uiUrl: undefined };
  const directory = stateDirectories(settings).daemon;
  let daemon = await findDaemon(directory);
  if (daemon === undefined) {
    // Here rather than in the daemon, so that the user sees a build that takes minutes.
    const program = await resolveTemporal(
      { ...settings.temporal, cacheDirectory: settings.cacheDirectory },
      (line) => {
        console.error(line);
      },
    );
    const { configFile } = settings;
    // It stands elsewhere, and is not told what this command was.
    const config = configFile === undefined ? {} : { EVERTHAW_CONFIG: configFile };
    const environment = environmentWith({ ...config, EVERTHAW_TEMPORAL: program });
    daemon = await ensureDaemon(directory, environment);
  }
  return { client: await connectClient(daemon), uiUrl: daemon.uiUrl };
}
