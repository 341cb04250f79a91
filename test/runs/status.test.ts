import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { keyword } from '../../src/temporal/searchAttributes.js';
import { makeDisk } from '../lab/disks.js';
import { freePort } from '../lab/freePort.js';
import { eventually, Lab } from '../lab/lab.js';
import type { Ran } from '../lab/run.js';
import { LabTemporalServer } from '../lab/temporalServer.js';

let lab: Lab;
let temporal: LabTemporalServer;
let config: string;
let proxy: string;

const everthaw = (command: string, ...words: readonly string[]): Promise<Ran> =>
  lab.everthaw.everthaw(command, ...words);

beforeAll(async () => {
  const disk = await makeDisk('small', 16, 4);
  // One of its own, for who asks for a status is told of everything.
  temporal = await LabTemporalServer.start();
  lab = await Lab.start(
    ['db', 'web'].map((name) => ({ name, disks: [{ ...disk, unit: 0 }] })),
    temporal.direct,
  );
  config = join(lab.everthaw.directory, 'everthaw.yaml');
  await lab.everthaw.endWorker();
  lab.everthaw.environment['EVERTHAW_CONFIG'] = config;
  lab.everthaw.environment['EVERTHAW_TIME_ZONE'] = 'UTC';
  proxy = lab.everthaw.environment['EVERTHAW_PROXY'] ?? '';
  const root = join(lab.everthaw.backups, 'nightly');
  await mkdir(root);
  const nightly = { vms: ['name:db'], root, cron: '0 3 * * *', retries: 0 };
  await writeFile(config, stringify({ jobs: { nightly } }));
  await lab.everthaw.startWorker();
  expect(await everthaw('jobs', 'apply', '--yes')).toMatchObject({ code: 0 });
  expect(await everthaw('jobs', 'run', 'nightly')).toMatchObject({ code: 0 });
  await lab.vcenter.fault({ method: 'CreateSnapshot_Task', fault: 'GenericVmConfigFault', count: 1 });
  expect((await lab.backup('web', '--retries', '0')).code).toBe(1);
}, 180_000);

afterAll(async () => {
  await lab.stop();
  await temporal.stop();
});

const objectsOf = ({ stdout }: Ran): readonly Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('everthaw status', () => {
  it('says of each VM when it was last backed up, how large that is, how its last run ended, and when the next begins', async () => {
    // The server's list of runs lags behind them.
    await eventually(async () => /web .*failed/.test((await everthaw('status')).stdout));
    const { code, stdout } = await everthaw('status');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^server and worker are up$/m);
    expect(stdout).toMatch(/^VM +last good backup +size +last run +next start +job$/m);
    expect(stdout).toMatch(
      /^db +0 min ago +[\d.]+ [KM]iB +succeeded, 0 min ago +\d{4}-\d\d-\d\dT03:00:00\.000Z +nightly$/m,
    );
    expect(stdout).toMatch(/^web +never +- +failed, 0 min ago +- +-$/m);
  });

  it('says the same for programs, and what the last sweep could not let go', async () => {
    await lab.client.workflow.execute('sweep', {
      ...{ workflowId: `sweep/${proxy}`, taskQueue: 'everthaw' },
      args: [{ proxy: proxy }],
      typedSearchAttributes: [keyword('kind', 'sweep'), keyword('proxy', proxy), keyword('state', 'running')],
    });
    let told: readonly Record<string, unknown>[] = [];
    await eventually(async () => {
      told = objectsOf(await everthaw('status', '--json'));
      return told.some((each) => 'leftOver' in each);
    });
    expect(told).toContainEqual(
      expect.objectContaining({
        vm: 'db',
        last: expect.objectContaining({ proxy: proxy }) as unknown,
      }),
    );
    expect(told).toContainEqual(
      expect.objectContaining({
        proxy: proxy,
        leftOver: expect.objectContaining({ failed: 0, unseen: 0 }) as unknown,
      }),
    );
  });
});

describe('everthaw report', () => {
  it('says by VM and day how backups ended', async () => {
    const { code, stdout } = await everthaw('report', '--days', '3');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^db +\.\.\+$/m);
    expect(stdout).toMatch(/^web +\.\.X$/m);
  });

  it('writes a page', async () => {
    const file = join(lab.everthaw.directory, 'report.html');
    expect(await everthaw('report', '--html', file)).toMatchObject({
      code: 0,
      stdout: `2 VMs, 30 days: ${file}\n`,
    });
    const page = await readFile(file, 'utf8');
    expect(page).toMatch(/class="succeeded" title="[\d-]+: backup succeeded \(nightly\)"/);
    expect(page).toMatch(/class="failed" title="[\d-]+: backup failed"/);
  });

  it('refuses days that no server remembers', async () => {
    expect(await everthaw('report', '--days', '99')).toMatchObject({ code: 2 });
  });
});

describe('a worker’s metrics', () => {
  it('tell of each VM’s backups, also of those before it was started', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    await lab.everthaw.endWorker();
    lab.everthaw.environment['EVERTHAW_METRICS_ADDRESS'] = address;
    await lab.everthaw.startWorker();
    let text = '';
    const value = (metric: string, vm: string): number => {
      const of = (line: string): boolean => line.startsWith(`${metric}{`) && line.includes(`vm="${vm}"`);
      return Number(text.split('\n').find(of)?.split(' ').at(-1));
    };
    await eventually(async () => {
      text = await (await fetch(`http://${address}/metrics`)).text();
      return value('everthaw_last_run_succeeded', 'web') === 0;
    });
    expect(value('everthaw_last_run_succeeded', 'db')).toBe(1);
    expect(Math.abs(value('everthaw_last_success_timestamp_seconds', 'db') - Date.now() / 1000)).toBeLessThan(
      600,
    );
    expect(value('everthaw_last_success_bytes', 'db')).toBeGreaterThan(1024 * 1024);
    for (const what of ['duration', 'in_snapshot'])
      expect(value(`everthaw_last_success_${what}_seconds`, 'db')).toBeGreaterThan(0);
    expect(value('everthaw_last_success_timestamp_seconds', 'web')).toBeNaN();
    expect(text).toMatch(/^everthaw_oldest_running_seconds\{.*\} 0$/m);
    expect(text).toMatch(new RegExp(`^everthaw_last_run_succeeded\\{.*job="nightly".*proxy="${proxy}"`, 'm'));
  });
});
