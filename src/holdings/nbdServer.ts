import { isNbdServerAlive, stopNbdServer } from '../disks/nbdServer.js';
import { agedOn, GONE, runOf, vmOf, type Kind } from './kind.js';

/** An nbdkit on this proxy, with its socket and its copy of the session cookie. */
export const nbdServer: Kind<'nbdServer'> = {
  async release({ run }, { records }) {
    await stopNbdServer(records.directoryOf('nbdServer', run));
    await records.remove('nbdServer', run);
  },

  async absence({ run }, { records }) {
    if (await isNbdServerAlive(records.directoryOf('nbdServer', run)))
      return { state: 'present', why: 'its process lives' };
    return (await records.has('nbdServer', run)) ? { state: 'present', why: 'its files are there' } : GONE;
  },

  list: {
    on: 'proxy',
    async find(at) {
      const { proxy, records } = at;
      return (await records.list('nbdServer')).map(({ owner, vmName }) => ({
        kind: 'nbdServer' as const,
        key: owner.runId,
        what: `NBD server for VM "${vmName}"`,
        owner,
        ...agedOn(at, owner),
        holding: { kind: 'nbdServer' as const, proxy, run: runOf(owner), vm: vmOf(owner, vmName) },
      }));
    },
  },
};
