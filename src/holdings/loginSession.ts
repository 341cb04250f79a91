import { GONE, type Kind } from './kind.js';

/** A run's login session on a host, and the cookie file that keeps it over a worker's death. */
export const loginSession: Kind<'loginSession'> = {
  async release({ vm }, { hosts }) {
    await hosts.end(vm.hostUuid, vm.instanceUuid);
  },

  async absence({ vm }, { hosts }) {
    return (await hosts.hasSession(vm.hostUuid, vm.instanceUuid))
      ? { state: 'present', why: 'its cookie is kept' }
      : GONE;
  },

  async list({ hosts }) {
    return (await hosts.sessions()).map(({ hostUuid, user }) => ({
      kind: 'loginSession' as const,
      what: `login session for VM ${user} on host ${hostUuid}`,
      // A session names no run: it goes with the run that holds its VM.
      owner: undefined,
      holding: undefined,
    }));
  },
};
