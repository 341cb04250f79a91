import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { HoldingRecords } from '../holdings/records.js';
import { judgeAll, releaseJudged, type Judged } from '../holdings/sweep.js';
import { HostPool } from '../hosts/hostPool.js';
import { HostRegister } from '../hosts/register.js';
import { clusterIdOf } from '../temporal/client.js';
import { askLiveness } from '../temporal/liveness.js';
import { accessHost, addHostFlags, lendHost, type HostFlags } from './hostAccess.js';
import { EXIT } from './output.js';
import { accessTemporal } from './temporalAccess.js';

/** Name under which the clean-up stands in the register while it needs a host. */
const USER = 'sweeper';

/** Lists what is left over on the hosts and on this proxy, and lets go of what belongs to nobody who lives (F10). */
export function addCleanup(program: Command, settings: Settings): void {
  addHostFlags(
    program
      .command('cleanup')
      .description('list what is left over, and let go of what no living run owns; safe at any time')
      .option('-y, --yes', 'do not ask', false),
  ).action(async (flags: HostFlags & { yes: boolean }) => {
    const directories = stateDirectories(settings);
    const register = new HostRegister(directories.hosts);
    const named = (flags.host ?? settings.host.address) !== undefined;
    const access = named ? await accessHost(settings, flags) : undefined;
    const { client } = await accessTemporal(settings);
    const hosts = new HostPool(register, directories.sessions);
    const tools = { proxy: settings.proxy, hosts, records: new HoldingRecords(directories.holdings) };
    if (access !== undefined) {
      await access.host.logout();
      await lendHost(settings, access, USER);
    }
    try {
      const cluster = await clusterIdOf(client);
      const { namespace } = settings.temporal;
      const rules = { cluster, namespace, maximumAgeMs: settings.maximumSnapshotAgeMs };
      const judged = (await judgeAll(tools, (owner) => askLiveness(client, owner), rules)).filter(
        ({ found }) => found.kind !== 'loginSession',
      );
      for (const each of judged) console.log(describe(each));
      const unfinished = await register.unfinished();
      for (const folder of unfinished)
        console.log(
          `release  ${folder}: a host's password, put there by a command that died before it used it`,
        );
      const releasable = judged.filter(({ decision }) => decision.release);
      const count = releasable.length + unfinished.length;
      if (count === 0)
        console.log(judged.length === 0 ? 'nothing is left over' : 'nothing of it may be let go');
      else if (flags.yes || (await isAgreed(count))) {
        for (const folder of unfinished) {
          await rm(folder, { recursive: true, force: true });
          console.log(`let go: ${folder}`);
        }
        const failures = await releaseJudged(releasable, tools, (line) => {
          console.log(line);
        });
        if (failures > 0) process.exitCode = failures < releasable.length ? EXIT.partial : EXIT.failed;
      }
    } finally {
      for (const { uuid } of await hosts.registered()) {
        await hosts.end(uuid, USER);
        await register.settle(uuid, USER);
      }
      await client.connection.close();
    }
  });
}

function describe({ found, decision }: Judged): string {
  return `${decision.release ? 'release' : 'keep   '}  ${found.what}: ${decision.reason}`;
}

/** Without a terminal nobody can agree, and nothing is released. */
async function isAgreed(count: number): Promise<boolean> {
  if (!process.stdin.isTTY) {
    console.log('nobody can be asked here: say -y to let go of it');
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`let go of ${count} thing${count === 1 ? '' : 's'}? [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
