import { GONE, type Kind } from './kind.js';

/** A run's login session on a host, and the cookie file that keeps it over a worker's death. */
export const loginSession: Kind<'loginSession'> = {
  async release({ vm, run }, { hosts }) {
    await hosts.end(vm.hostUuid, run.runId);
  },

  async absence({ vm, run }, { hosts }) {
    return (await hosts.hasSession(vm.hostUuid, run.runId))
      ? { state: 'present', why: 'its cookie is kept' }
      : GONE;
  },

  async list({ hosts }) {
    return (await hosts.sessions()).map(({ hostUuid, user }) => ({
      kind: 'loginSession' as const,
      what: `login session of run ${user} on host ${hostUuid}`,
      // A session carries no record: it ends with the last thing of its run.
      owner: undefined,
      holding: undefined,
    }));
  },
};
