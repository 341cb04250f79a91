import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { processName } from '../system/processName.js';
import { isErrorWithCode } from '../domain/errors.js';
import { Destinations } from '../destinations/destinations.js';
import type { SweepTools, Trouble } from '../holdings/listing.js';
import { HoldingRecords } from '../holdings/records.js';
import { endSweep } from '../holdings/endSweep.js';
import { HostPool } from '../hosts/hostPool.js';
import { HostRegister } from '../hosts/register.js';
import { accessHost } from './accessHost.js';
import { lendHost } from '../requests/hostAccess.js';

/**
 * Works with all hosts of the register, and with the one that the user named. That one is lent to this command while it works, under
 * a name that tells when it is dead.
 */
export async function withSweepTools<T>(
  settings: Settings,
  work: (tools: SweepTools, troubles: readonly Trouble[]) => Promise<T>,
): Promise<T> {
  const directories = stateDirectories(settings);
  const register = new HostRegister(directories.hosts);
  const hosts = new HostPool(register, directories.sessions);
  const user = await processName('command');
  const troubles: Trouble[] = [];
  if (settings.host.address !== undefined) {
    try {
      const access = await accessHost(settings);
      await access.host.logout();
      await lendHost(settings, access, user);
    } catch (error) {
      // The other hosts, and this proxy, are swept all the same.
      if (!isErrorWithCode(error, 'HostUnreachable')) throw error;
      troubles.push({ what: 'look at the host that is named', why: error.message, isSilent: true });
    }
  }
  const records = new HoldingRecords(directories.holdings);
  try {
    const destinations = new Destinations(settings.stateDirectory);
    return await work({ proxy: settings.proxy, hosts, records, destinations, user }, troubles);
  } finally {
    await endSweep({ hosts, records, user });
  }
}
