import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { readSettings } from '../../src/config/settings.js';
import { startEmbeddedServer } from '../../src/temporal/embeddedServer.js';
import { resolveTemporal } from '../../src/temporal/program.js';

declare module 'vitest' {
  interface ProvidedContext {
    temporalAddress: string;
  }
}

/** One Temporal server for all tests, the real one, in memory. */
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
    { program, databaseFile: undefined, namespace: 'default', wishedPorts: { server: 0, ui: 0 } },
    AbortSignal.timeout(60_000),
  );
  project.provide('temporalAddress', server.address);
  return async () => {
    const ended = new Promise((resolve) => server.process.once('close', resolve));
    server.process.kill('SIGTERM');
    await ended;
    await rm(home, { recursive: true, force: true });
  };
}
