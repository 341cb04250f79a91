import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSettings } from '../../src/config/settings.js';
import { startEmbeddedServer, type EmbeddedServer } from '../../src/temporal/embeddedServer.js';
import { resolveTemporal } from '../../src/temporal/program.js';
import { makeDisk } from '../lab/disks.js';
import { historicWith } from '../lab/historic.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import type { Ran } from '../lab/run.js';

const NAMESPACE = 'offline';

/** Relative to the built test. */
const UNIT = new URL('../../../packaging/systemd/everthaw-offline-cleanup.service', import.meta.url);

let directory: string;
let server: EmbeddedServer;
let lab: Lab;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-offline-'));
  server = await startServer(0);
  const disk = await makeDisk('system', 256, 24);
  const { address } = server;
  lab = await Lab.start([{ name: 'web', disks: [{ ...disk, unit: 0 }] }], { address, namespace: NAMESPACE });
}, 120_000);

afterEach(async () => {
  await lab.stop();
  await killServer();
  await rm(directory, { recursive: true, force: true });
});

/** A Temporal server of this test's own, which remembers when it is started again at its port. */
async function startServer(port: number): Promise<EmbeddedServer> {
  const settings = readSettings();
  const program = await resolveTemporal(
    { ...settings.temporal, cacheDirectory: settings.cacheDirectory },
    () => undefined,
  );
  return startEmbeddedServer(
    {
      program,
      namespace: NAMESPACE,
      databaseFile: join(directory, 'temporal.db'),
      wishedPorts: { server: port, ui: 0 },
    },
    AbortSignal.timeout(60_000),
  );
}

async function killServer(): Promise<void> {
  if (server.process.exitCode !== null || server.process.signalCode !== null) return;
  const ended = once(server.process, 'exit');
  server.process.kill('SIGKILL');
  await ended;
}

/** What is left of a run, besides the host's password, without which it could not end when its server is back. */
async function left(): Promise<readonly string[]> {
  return (await leftovers(lab)).filter((each) => !/^process |^note state\/hosts\//.test(each));
}

/** What the systemd unit runs, with these settings beside the lab's. */
async function runUnit(environment: NodeJS.ProcessEnv): Promise<Ran> {
  const unit = await readFile(fileURLToPath(UNIT), 'utf8');
  // Only a success counts as one.
  expect(unit).not.toContain('SuccessExitStatus');
  const words = /^ExecStart=\/usr\/bin\/env vcbCleanup (.+)$/m.exec(unit)?.[1]?.split(' ') ?? [];
  return historicWith(lab, environment, 'vcbCleanup', ...words);
}

describe('everthaw cleanup --offline', () => {
  it('lets go of what this proxy took when its server is silent for long enough, and does nothing while one answers', async () => {
    const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('web'));
    expect(await runUnit({ EVERTHAW_PORT: 'none' })).toMatchObject({ code: 2, stdout: '' });
    const served = await runUnit({});
    expect(served).toMatchObject({ code: 0, stderr: '' });
    expect(served.stdout).toMatch(/^nothing is done offline: .* answers, and knows who lives.*\n$/);
    expect((await lab.vcenter.vm('web')).snapshots).toHaveLength(1);
    await killServer();
    const busy = await lab.everthaw.everthaw('cleanup', '--offline', '-y');
    expect(busy.stdout).toMatch(/keep .* snapshot .*: worker\.\d+\.\d+ of this proxy lives/);
    await lab.everthaw.killWorker();
    await lab.vcenter.heal();
    const early = await lab.everthaw.everthaw('cleanup', '--offline', '-y');
    expect(early.stdout).toMatch(/keep .* snapshot .*: its Temporal server may be back/);
    expect((await lab.vcenter.vm('web')).snapshots).toHaveLength(1);
    const soon = { EVERTHAW_OFFLINE_AFTER_S: '1' };
    await eventually(async () =>
      (await lab.everthaw.everthawWith(soon, 'cleanup', '--offline')).stdout.includes('was not heard of for'),
    );
    const other = { ...soon, EVERTHAW_PROXY: 'another' };
    expect((await lab.everthaw.everthawWith(other, 'cleanup', '--offline', '-y')).stdout).toMatch(
      /keep .* snapshot .*: it belongs to another proxy/,
    );
    const swept = await lab.everthaw.everthawWith(soon, 'cleanup', '--offline', '-y');
    expect(swept).toMatchObject({ code: 0, stderr: '' });
    expect(await left()).toEqual([]);
    server = await startServer(Number(server.address.split(':')[1]));
    void ran;
  }, 240_000);
});

describe('a worker whose server is silent', () => {
  it('stops what it does, lets go of all of it, and serves again when the server is back', async () => {
    await lab.everthaw.endWorker();
    lab.everthaw.environment['EVERTHAW_OFFLINE_AFTER_S'] = '3';
    await lab.everthaw.startWorker();
    const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('web'));
    await killServer();
    await lab.vcenter.heal();
    await lab.vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: 20_000 });
    await expect.poll(left, { timeout: 60_000, interval: 500 }).toEqual([]);
    await lab.vcenter.heal();
    server = await startServer(Number(server.address.split(':')[1]));
    const workflow = lab.client.workflow.getHandle(await lab.runOf('web'));
    await expect
      .poll(async () => (await workflow.describe().catch(() => undefined))?.status.name, {
        timeout: 90_000,
        interval: 500,
      })
      .toBe('FAILED');
    // It is a process of this proxy's for as long as it tells of its run.
    expect((await ran).code).toBe(1);
    expect(await lab.backup('web')).toMatchObject({ code: 0, stderr: '' });
    expect(await leftovers(lab)).toEqual([]);
  }, 240_000);
});
