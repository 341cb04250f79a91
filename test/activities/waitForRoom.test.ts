import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dependencies } from '../../src/activities/dependencies.js';
import { withPulse } from '../../src/activities/pulse.js';
import { createWaitForRoom } from '../../src/activities/waitForRoom.js';
import { Destinations } from '../../src/destinations/destinations.js';
import type { Pulse } from '../../src/domain/runs.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'everthaw-room-'));
});

afterAll(() => rm(directory, { recursive: true }));

/** Holds a run whose destination has room again by now. */
function hold(
  mayGoOn: boolean,
  last?: Pulse,
): { readonly environment: MockActivityEnvironment; readonly held: Promise<boolean> } {
  const environment = new MockActivityEnvironment({ heartbeatDetails: last });
  const quiet = { watchVm: () => Promise.resolve() };
  const waitForRoom = createWaitForRoom({
    destinations: new Destinations(directory),
    hosts: { open: () => Promise.resolve(quiet) },
  } as unknown as Dependencies);
  const held = environment.run<[], boolean, () => Promise<boolean>>(() =>
    withPulse(() =>
      waitForRoom({
        run: { workflowId: 'vm/1', runId: 'run' },
        vm: { hostUuid: 'host', instanceUuid: 'vm', name: 'db' },
        ...{ proxy: 'proxy', snapshotId: '1', directory: join(directory, 'db'), mayGoOn },
        retries: { maximumRetries: 0, backoffMs: 0 },
      }),
    ),
  );
  return { environment, held };
}

/** That it is held, and goes on waiting. */
async function isHeld({ environment, held }: ReturnType<typeof hold>): Promise<void> {
  const said = new Promise<Pulse>((resolve) => environment.on('heartbeat', resolve));
  expect((await said).held?.why).toMatch(/^held: .* is full/);
  environment.cancel();
  await expect(held).rejects.toThrow();
}

describe('a run whose destination was full', () => {
  it('goes on at once where room was made before it looked', async () => {
    expect(await hold(true).held).toBe(false);
  });

  it('is held where that was tried in vain: a quota shows as room', async () => {
    await isHeld(hold(false));
  });

  it('stays held when its worker is started anew, until there is more room than when it ran out', async () => {
    const room = (freeBytes: number): Pulse => ({ operationFailures: 0, held: { why: '', freeBytes } });
    await isHeld(hold(true, room(Number.MAX_SAFE_INTEGER)));
    expect(await hold(true, room(0)).held).toBe(true);
  });
});
