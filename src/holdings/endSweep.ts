import type { SweepTools } from './listing.js';

/** Ends what a sweep itself took: its login sessions, and the loan of a host that it was given. Notes that nobody ended go, too. */
export async function endSweep({
  hosts,
  records,
  user,
}: Pick<SweepTools, 'hosts' | 'records' | 'user'>): Promise<void> {
  await records.removeAbandoned();
  const lent = (await hosts.registered()).map(({ uuid }) => uuid);
  // The last loan of a host may have gone in this very sweep, while its session is still open.
  const loggedIn = (await hosts.sessions()).filter((session) => session.user === user);
  for (const uuid of new Set([...lent, ...loggedIn.map(({ hostUuid }) => hostUuid)])) {
    // A host that does not answer now ends an idle session by itself; its cookie is found by the next sweep.
    await hosts.end(uuid, user).catch(() => undefined);
    await hosts.settle(uuid, user);
  }
}
