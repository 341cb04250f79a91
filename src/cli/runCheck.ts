import { checkSettings } from '../config/checkSettings.js';
import type { Settings } from '../config/settings.js';
import { checkPlaceOf, checkRoot, checkRootOverSsh } from '../checks/destination.js';
import { checkVm } from '../checks/vm.js';
import { failure, findings, type Finding, type FindingState } from '../domain/finding.js';
import type { VmSummary } from '../domain/vm.js';
import type { Host } from '../hosts/host.js';
import type { Destination } from '../destinations/destination.js';
import { Destinations } from '../destinations/destinations.js';
import { isScpUrl } from '../domain/scpUrl.js';
import { mapAtMost } from '../system/mapAtMost.js';
import type { CheckFlags } from './check.js';
import { checkHost } from './checkHost.js';
import { checkProxy } from './checkProxy.js';
import { vmsOf } from '../requests/findVms.js';
import { EXIT, Output } from './output.js';
import type { ReadSettings } from './readSettings.js';
import { transportOf } from '../requests/backupRequest.js';
import { destinationOf } from './runBackup.js';
import { formatTable } from './table.js';

interface CheckWishes {
  readonly vms: readonly string[];
  readonly flags: CheckFlags;
  /** What `--config` named. */
  readonly config: string | undefined;
  readonly readSettings: ReadSettings;
}

/** A host answers many questions at once; with too many each takes longer. */
const VMS_AT_ONCE = 4;

export async function runCheck(wishes: CheckWishes): Promise<void> {
  const found = await look(wishes);
  const output = new Output(wishes.flags.json);
  for (const finding of found) output.result(finding, []);
  for (const line of linesOf(found)) output.say(line);
  const failed = numberOf(found, 'failed');
  const unknown = numberOf(found, 'not known');
  if (failed > 0) output.say(`${failed} of ${found.length} checks failed`);
  else if (unknown > 0) output.say(`nothing is in the way as far as is known; not known: ${unknown}`);
  else output.say('nothing is in the way of a backup');
  if (failed > 0) process.exitCode = EXIT.failed;
}

function numberOf(found: readonly Finding[], wanted: FindingState): number {
  return found.filter(({ state }) => state === wanted).length;
}

async function look({ vms, flags, config, readSettings }: CheckWishes): Promise<readonly Finding[]> {
  const written = settingFindings(flags, config);
  let settings: Settings;
  try {
    settings = await readSettings(flags);
  } catch (error) {
    // What was wrong is told by then, one by one.
    if (written.some(({ state }) => state === 'failed')) return written;
    throw error;
  }
  const { host, found } = await checkHost(settings);
  try {
    return [
      ...written,
      ...(await checkProxy(settings)),
      ...found,
      ...(await destinationFindings(settings, flags)),
      ...(host === undefined ? [] : await vmFindings(settings, host, vms, flags)),
    ];
  } finally {
    await host?.logout();
  }
}

/** What `everthaw config check` says of what applies here. */
function settingFindings(flags: object, config: string | undefined): readonly Finding[] {
  const { problems, warnings, looked } = checkSettings({ flags, config });
  const about = { check: 'settings', on: looked.join(', ') };
  const told: readonly Finding[] = [
    ...problems.map(({ where, what }) => ({
      check: 'settings',
      on: where,
      state: 'failed' as const,
      found: what,
    })),
    ...warnings.map((found) => ({ ...about, state: 'warning' as const, found })),
  ];
  return told.length > 0 ? told : [{ ...about, state: 'ok', found: 'nothing is wrong with them' }];
}

async function destinationFindings(settings: Settings, { to }: CheckFlags): Promise<readonly Finding[]> {
  const { root } = settings.backup;
  if (to !== undefined) return [];
  if (root !== undefined) {
    return findings('destination', root, () =>
      isScpUrl(root) ? checkRootOverSsh(root, destinationsOf(settings)) : checkRoot(root),
    );
  }
  const todo = 'give --root or --to, or name it in everthaw.yaml';
  return [{ check: 'destination', on: '-', state: 'not known', found: 'none is named', todo }];
}

async function vmFindings(
  settings: Settings,
  host: Host,
  specs: readonly string[],
  flags: CheckFlags,
): Promise<readonly Finding[]> {
  const lost: Finding[] = [];
  const meant = new Map<string, VmSummary>();
  for (const spec of specs) {
    try {
      for (const vm of await vmsOf(settings, host, spec)) meant.set(vm.instanceUuid, vm);
    } catch (error) {
      lost.push(failure('VM', spec, error));
    }
  }
  const each = await mapAtMost(VMS_AT_ONCE, [...meant.values()], (vm) =>
    findings('VM', `VM "${vm.name}"`, () => oneVm(settings, host, vm, flags)),
  );
  return [...lost, ...each.flat()];
}

async function oneVm(
  settings: Settings,
  host: Host,
  { instanceUuid }: VmSummary,
  flags: CheckFlags,
): Promise<readonly Finding[]> {
  const vm = await host.describeVm(instanceUuid);
  const { quiesce, snapshotPolicy, root } = settings.backup;
  const { restoring } = flags;
  const isPlaceNamed = flags.to !== undefined || root !== undefined;
  return [
    ...(await checkVm(host, vm, {
      transport: transportOf(settings, host),
      quiesce,
      snapshotPolicy,
      restoring,
    })),
    ...(isPlaceNamed ? await checkPlaceOf(vm, await placeOf()) : []),
  ];

  function placeOf(): Promise<Destination> {
    return destinationsOf(settings).at(destinationOf(flags, settings, vm.name));
  }
}

function destinationsOf({ stateDirectory }: Settings): Destinations {
  return new Destinations(stateDirectory);
}

/** What is to be done stands below what it is for. */
function linesOf(found: readonly Finding[]): readonly string[] {
  const [heading = '', ...rows] = formatTable(
    ['STATE', 'CHECK', 'ON', 'FOUND'],
    found.map(({ state, check, on, found: seen }) => [state, check, on, seen].map(onOneLine)),
  );
  return [
    heading,
    ...rows.flatMap((row, index) => {
      const todo = found[index]?.todo;
      return todo === undefined ? [row] : [row, `           → ${onOneLine(todo)}`];
    }),
  ];
}

/** Names of VMs may have line ends. */
function onOneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
