import { isOfDeadProcess, isProcessName } from '../system/processName.js';
import type { OwnerRecord } from '../domain/owner.js';
import { GONE, runOf, vmOf, type FoundHolding, type Kind, type ListedProxy } from './kind.js';

/**
 * A run's login session on a host, and the cookie file that keeps it over a worker's death. It carries no record: whose it is, the
 * loan says by which its run logs in, or the note that a proxy makes that only visits.
 */
export const loginSession: Kind<'loginSession'> = {
  async release({ vm, run }, { hosts, records }) {
    await hosts.end(vm.hostUuid, run.runId);
    await records.remove('loginSession', run);
  },

  async absence({ vm, run }, { hosts }) {
    return (await hosts.hasSession(vm.hostUuid, run.runId))
      ? { state: 'present', why: 'its cookie is kept, or its login was cut off' }
      : GONE;
  },

  list: {
    on: 'proxy',
    async find(at) {
      const visits = (await at.records.list('loginSession')).map(({ owner }) => owner);
      const lent = (await at.hosts.loans()).flatMap(({ owner }) => owner ?? []);
      const owners = new Map([...visits, ...lent].map((owner) => [owner.runId, owner]));
      const sessions = (await at.hosts.sessions()).filter(({ user }) => user !== at.user);
      const noted = visits.filter(({ runId }) => !sessions.some(({ user }) => user === runId));
      const all = [...sessions, ...noted.map(({ hostUuid, runId }) => ({ hostUuid, user: runId }))];
      const found = await Promise.all(
        all.map(async ({ hostUuid, user }) => {
          const isDead = await isOfDeadProcess(user);
          if (isProcessName(user) && !isDead) return [];
          const session = describe(at, hostUuid, user, owners.get(user));
          return [isDead ? { ...session, orphaned: 'the command that logged in is dead' } : session];
        }),
      );
      return found.flat();
    },
  },
};

function describe(
  { hosts, proxy }: ListedProxy,
  hostUuid: string,
  user: string,
  owner: OwnerRecord | undefined,
): FoundHolding {
  const kind = 'loginSession';
  return {
    kind,
    key: `${hostUuid} ${user}`,
    what: `login session of ${user} on host ${hostUuid}`,
    owner,
    hostUuid,
    holding: owner === undefined ? undefined : { kind, proxy, run: runOf(owner), vm: vmOf(owner, '') },
    directly: () => hosts.end(hostUuid, user),
  };
}
