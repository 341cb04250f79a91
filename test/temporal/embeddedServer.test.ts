import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSettings } from '../../src/config/settings.js';
import { startEmbeddedServer } from '../../src/temporal/embeddedServer.js';
import { resolveTemporal } from '../../src/temporal/program.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-server-'));
});

afterEach(() => rm(directory, { recursive: true }));

/** A program that does this instead of starting the server, where `$real` is the server's own. */
async function starting(body: string): Promise<Parameters<typeof startEmbeddedServer>[0]> {
  const { temporal, cacheDirectory } = readSettings();
  const real = await resolveTemporal({ ...temporal, cacheDirectory }, () => undefined);
  const program = join(directory, 'temporal');
  await writeFile(program, `#!/bin/sh\ncd '${directory}'; real='${real}'\n${body}\n`, { mode: 0o755 });
  return { program, namespace: 'default', databaseFile: undefined, wishedPorts: { server: 0, ui: 0 } };
}

const PANIC = `echo 'panic: listen tcp 127.0.0.1:40000: bind: address already in use' >&2
  for n in $(seq 200); do echo "go.uber.org/fx.(*module).executeInvokes($n)" >&2; done; exit 2`;

describe('the embedded Temporal server', () => {
  it('is started again when another program took a port from it', async () => {
    const options = await starting(`if mkdir first 2> /dev/null; then ${PANIC}; fi; exec "$real" "$@"`);
    const server = await startEmbeddedServer(options, AbortSignal.timeout(60_000));
    server.process.kill('SIGKILL');
    await access(join(directory, 'first'));
  });

  it('that never starts is told of in one line', async () => {
    const options = await starting(PANIC);
    await expect(startEmbeddedServer(options, AbortSignal.timeout(60_000))).rejects.toThrow(
      /^the Temporal server ended with 2: panic: listen tcp 127.0.0.1:40000: bind: address already in use$/,
    );
  });
});
