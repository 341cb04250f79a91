import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { findOneVm } from '../src/requests/findVms.js';
import { accessHost } from '../src/cli/accessHost.js';
import { lendHost } from '../src/requests/hostAccess.js';
import { readSettings } from '../src/config/settings.js';
import { connectClient, type TemporalAddress } from '../src/temporal/client.js';
import { startBackup } from '../src/temporal/runs.js';
import { LabEverthaw } from '../test/lab/everthaw.js';
import type { BenchLab } from './benchLab.js';
import { atMost, type Figure, type Row } from './figure.js';
import type { Span } from './probe.js';
import { spreadOf } from './statistics.js';
import { coveredMs, stretchesOf } from './timeline.js';
import { formatTable } from './table.js';

const MOST_MS = 2000;
const PROBE = new URL('./probe.js', import.meta.url).href;

/** Where a run's time went, in ms. Keys are steps by their place in the run. */
type Times = ReadonlyMap<string, number>;

/** What a whole backup of a tiny disk takes beyond the vCenter's and the disk's time, and where that goes. */
export const workflowOverhead: Figure = {
  name: 'overhead',
  title: 'the workflow’s own time for one VM (16 MiB disk) on the development server',
  async measure(lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const temporal = await lab.temporal();
    const everthaw = await LabEverthaw.create(lab.vcenter, temporal);
    const spansFile = join(everthaw.directory, 'spans');
    Object.assign(everthaw.environment, { NODE_OPTIONS: `--import=${PROBE}`, BENCH_PROBE: spansFile });
    try {
      await everthaw.startWorker();
      const once = () => backUpOnce(lab, everthaw, spansFile, temporal);
      const first = await once();
      const seen: Times[] = [];
      for (let n = 0; n < runs; n++) seen.push(await once());
      printSteps(seen);
      return rowsOf(first, seen);
    } finally {
      await everthaw.remove();
    }
  },
};

/** From the client's call to the client's result. */
async function backUpOnce(
  lab: BenchLab,
  everthaw: LabEverthaw,
  spansFile: string,
  temporal: TemporalAddress,
): Promise<Times> {
  await writeFile(spansFile, '');
  const settings = readSettings(everthaw.environment, { flags: { port: lab.vcenter.port } });
  const access = await accessHost(settings);
  const vm = await findOneVm(settings, access.host, { kind: 'name', value: 'tiny' });
  await access.host.logout();
  const client = await connectClient(temporal);
  const loan = randomUUID();
  await lendHost(settings, access, loan);
  const directory = join(everthaw.backups, 'tiny');
  const from = performance.timeOrigin + performance.now();
  const handle = await startBackup(client, {
    vm: { hostUuid: access.host.identity.uuid, instanceUuid: vm.instanceUuid, name: vm.name },
    proxy: settings.proxy,
    loan,
    directory,
    transport: { mode: 'nbdssl', via: 'lease' },
    quiesce: 'required',
    snapshotPolicy: 'automatic',
    preexistingSnapshot: 'fail',
    preexistingMountPoint: 'fail',
    maximumSnapshotAgeMs: settings.maximumSnapshotAgeMs,
    limits: settings.snapshotLimits,
    retries: { maximumRetries: 0, backoffMs: 0 },
  });
  await handle.result();
  const to = performance.timeOrigin + performance.now();
  const stretches = stretchesOf(await handle.fetchHistory());
  await client.connection.close();
  await rm(directory, { recursive: true });

  const spans = await spansOf(spansFile);
  const vcenter = spans.filter(({ kind }) => kind === 'request');
  const outside = [...vcenter, ...spans.filter(({ name }) => name === 'curl')];
  const times = new Map<string, number>([
    ['whole run', to - from],
    ['vCenter', coveredMs({ from, to }, vcenter)],
    ['vCenter and disk', coveredMs({ from, to }, outside)],
  ]);
  for (const stretch of stretches) {
    add(times, `${stretch.name}, ${stretch.kind}`, stretch.to - stretch.from);
    add(times, `${stretch.name}, outside`, coveredMs(stretch, outside));
  }
  const told = stretches.reduce((sum, stretch) => sum + stretch.to - stretch.from, 0);
  times.set('client', to - from - told);
  return times;
}

async function spansOf(file: string): Promise<readonly Span[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Span);
}

function add(times: Map<string, number>, key: string, ms: number): void {
  times.set(key, (times.get(key) ?? 0) + ms);
}

function own(times: Times): number {
  return (times.get('whole run') ?? 0) - (times.get('vCenter and disk') ?? 0);
}

function rowsOf(first: Times, seen: readonly Times[]): readonly Row[] {
  const overhead = spreadOf(seen.map(own));
  const of = (what: string, key: string): Row => ({
    what: `  ${what}`,
    ours: spreadOf(seen.map((times) => times.get(key) ?? 0)),
    unit: 'ms',
  });
  return [
    {
      what: 'workflow’s own time for a VM',
      ours: overhead,
      unit: 'ms',
      wanted: atMost(MOST_MS, 'ms', overhead.median),
    },
    { what: '  of a worker’s first run', ours: spreadOf([own(first)]), unit: 'ms' },
    of('whole run', 'whole run'),
    of('the vCenter’s time', 'vCenter'),
    of('the vCenter’s and curl’s time', 'vCenter and disk'),
  ];
}

/** Per step, medians: waiting for the worker, executing, and how much of that is not the vCenter's or curl's. */
function printSteps(seen: readonly Times[]): void {
  const median = (key: string): number => spreadOf(seen.map((times) => times.get(key) ?? 0)).median;
  const steps = [...(seen[0]?.keys() ?? [])]
    .filter((key) => key.endsWith(', executing'))
    .map((key) => key.slice(0, -', executing'.length));
  const lines = steps.map((step) => {
    const [waiting, executing, outside] = ['waiting', 'executing', 'outside'].map((kind) =>
      median(`${step}, ${kind}`),
    ) as [number, number, number];
    return [step, waiting, executing, outside, waiting + executing - outside] as const;
  });
  lines.push(['client: start and result', median('client'), 0, 0, median('client')]);
  const headings = ['step (ms)', 'waits for worker', 'executes', 'of it vCenter, curl', 'own'];
  console.log(
    formatTable(
      headings,
      lines.map(([step, ...values]) => [step, ...values.map((value) => value.toFixed(0))]),
    ),
  );
}
