import { isNbdServerAlive, stopNbdServer } from '../disks/nbdServer.js';
import { GONE, runOf, vmOf, type Kind } from './kind.js';

/** An nbdkit on this proxy, with its socket and its copy of the session cookie. */
export const nbdServer: Kind<'nbdServer'> = {
  async release({ run }, { records }) {
    await stopNbdServer(records.directoryOf('nbdServer', run));
    await records.remove('nbdServer', run);
  },

  async absence({ run }, { records }) {
    if (await isNbdServerAlive(records.directoryOf('nbdServer', run)))
      return { state: 'present', why: 'its process lives' };
    return (await records.read('nbdServer', run)) === undefined
      ? GONE
      : { state: 'present', why: 'its files are there' };
  },

  async list({ proxy, records }) {
    return (await records.list('nbdServer')).map(({ owner, vmName }) => ({
      kind: 'nbdServer' as const,
      what: `NBD server for VM "${vmName}"`,
      owner,
      holding: { kind: 'nbdServer' as const, proxy, run: runOf(owner), vm: vmOf(owner, vmName) },
    }));
  },
};
