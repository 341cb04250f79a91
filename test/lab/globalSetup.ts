import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { readSettings } from '../../src/config/settings.js';
import { until } from '../../src/system/until.js';
import { connectClient } from '../../src/temporal/client.js';
import { startEmbeddedServer } from '../../src/temporal/embeddedServer.js';
import { prepareNamespace } from '../../src/temporal/namespace.js';
import { resolveTemporal } from '../../src/temporal/program.js';
import { namespaceOfPool } from './temporal.js';

/** One Temporal server for all tests, the real one, in memory, with a namespace for each file that runs at once. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // What the product notes in a home directory is nobody's but the tests'.
  const home = await mkdtemp(join(tmpdir(), 'everthaw-home-'));
  process.env['XDG_STATE_HOME'] = home;
  const settings = readSettings();
  const program = await resolveTemporal(
    { ...settings.temporal, cacheDirectory: settings.cacheDirectory },
    (line) => {
      console.log(line);
    },
  );
  const server = await startEmbeddedServer(
    // Any ports: a demo or another test run may start at this moment and wish for the usual ones.
    { program, databaseFile: undefined, namespace: namespaceOfPool(1), wishedPorts: { server: 0, ui: 0 } },
    AbortSignal.timeout(60_000),
  );
  for (let poolId = 2; poolId <= project.config.maxWorkers; poolId++)
    await makeNamespace(server.address, namespaceOfPool(poolId));
  project.provide('temporalAddress', server.address);
  return async () => {
    const ended = new Promise((resolve) => server.process.once('close', resolve));
    server.process.kill('SIGTERM');
    await ended;
    await rm(home, { recursive: true, force: true });
  };
}

async function makeNamespace(address: string, namespace: string): Promise<void> {
  const client = await connectClient({ address, namespace });
  await client.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: (24 * 3600) as never },
  });
  // It is not known everywhere at once.
  const isReady = () =>
    prepareNamespace(client, namespace).then(
      () => true,
      () => false,
    );
  await until(isReady, AbortSignal.timeout(30_000));
  await client.connection.close();
}
