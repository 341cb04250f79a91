import { rm } from 'node:fs/promises';
import { isOfDeadProcess, isProcessName } from '../system/processName.js';
import type { Loan } from '../hosts/register.js';
import { GONE, runOf, vmOf, type FoundHolding, type Kind, type ListedProxy } from './kind.js';

/** For so long a run may be on its way to the server after its host was lent to it. */
const STARTING_MS = 3600_000;

/**
 * A host's address and password, lent to a run by this proxy's register. A living run gives it back by its step `settle`; that
 * of a dead one goes last of all that the run left, for without it nothing on the host can be released.
 */
export const hostLoan: Kind<'hostLoan'> = {
  async release({ vm, run, loan }, { hosts }) {
    await hosts.end(vm.hostUuid, run.runId);
    await hosts.settle(vm.hostUuid, loan);
  },

  async absence({ vm, loan }, { hosts }) {
    const isThere = (await hosts.loans()).some((each) => each.loan === loan && each.hostUuid === vm.hostUuid);
    return isThere ? { state: 'present', why: 'the register still lends the host' } : GONE;
  },

  list: {
    on: 'proxy',
    async find(at) {
      const loans = (await at.hosts.loans()).filter(({ loan }) => loan !== at.user);
      const found = await Promise.all(loans.map((loan) => describe(at, loan)));
      return [...found.flat(), ...(await unfinished(at))];
    },
  },
};

async function describe(
  { hosts, proxy }: ListedProxy,
  { hostUuid, loan, owner, since }: Loan,
): Promise<readonly FoundHolding[]> {
  const isDead = await isOfDeadProcess(loan);
  if (isProcessName(loan) && !isDead) return [];
  const kind = 'hostLoan' as const;
  const run = owner === undefined ? undefined : runOf(owner);
  const found = {
    kind,
    key: `${hostUuid} ${loan}`,
    what: `password of host ${hostUuid} for ${isDead ? loan : (run?.workflowId ?? 'a run that is not noted')}`,
    owner,
    hostUuid,
    isStarting: run?.runId === '' && Date.now() - since < STARTING_MS,
  } as const;
  if (isDead) {
    const directly = async () => {
      await hosts.end(hostUuid, loan);
      await hosts.settle(hostUuid, loan);
    };
    return [{ ...found, holding: undefined, orphaned: 'the command that it was lent to is dead', directly }];
  }
  const holding =
    owner === undefined || run === undefined ? undefined : { kind, proxy, run, vm: vmOf(owner, ''), loan };
  return [{ ...found, holding }];
}

async function unfinished({ hosts }: ListedProxy): Promise<readonly FoundHolding[]> {
  return (await hosts.unfinishedLoans()).map((folder) => ({
    kind: 'hostLoan',
    key: folder,
    what: folder,
    owner: undefined,
    orphaned: "a host's password, put there by a command that died before it used it",
    holding: undefined,
    directly: () => rm(folder, { recursive: true, force: true }),
  }));
}
