import { once } from 'node:events';
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { StepInterceptor } from '../../src/activities/interceptor.js';
import { RunningSteps } from '../../src/activities/runningSteps.js';

const HEARTBEAT_MS = 10_000;

/** Runs an attempt that was scheduled so long ago, and tells whether the step itself was begun. */
async function begin(
  lateMs: number,
  isCurrent: boolean,
): Promise<{ readonly isAsked: boolean; readonly isBegun: boolean; readonly error: string }> {
  const environment = new MockActivityEnvironment({
    attempt: 2,
    heartbeatTimeoutMs: HEARTBEAT_MS,
    currentAttemptScheduledTimestampMs: Date.now() - lateMs,
  });
  let isAsked = false;
  let isBegun = false;
  const interceptor = new StepInterceptor(new RunningSteps(), async ({ attempt }) => {
    expect(attempt).toBe(2);
    isAsked = true;
    return Promise.resolve(isCurrent);
  });
  const running = environment.run(() =>
    interceptor.execute({ args: [{}], headers: {} }, async () => Promise.resolve(void (isBegun = true))),
  );
  const error = await running.then(
    () => '',
    (thrown: unknown) => String(thrown),
  );
  return { isAsked, isBegun, error };
}

describe('an attempt of a step', () => {
  it('is begun at once where it is in time', async () => {
    expect(await begin(1000, false)).toEqual({ isAsked: false, isBegun: true, error: '' });
  });

  it('is begun where it is late, and the server waits for it', async () => {
    expect(await begin(3 * HEARTBEAT_MS, true)).toEqual({ isAsked: true, isBegun: true, error: '' });
  });

  it('is not begun where the process stood still, and another attempt has taken its place', async () => {
    for (const lateMs of [3 * HEARTBEAT_MS, -3 * HEARTBEAT_MS])
      expect(await begin(lateMs, false)).toEqual({
        isAsked: true,
        isBegun: false,
        error: expect.stringContaining(
          'attempt 2 of unknown was begun too late: another has taken its place',
        ) as unknown,
      });
  });
});

describe('two attempts of a step in one process that stood still', () => {
  const attempt = (n: number) =>
    new MockActivityEnvironment({
      attempt: n,
      activityId: 'upload',
      currentAttemptScheduledTimestampMs: Date.now(),
    });

  it('do not work at once', async () => {
    const steps = new RunningSteps();
    const interceptor = new StepInterceptor(steps, () => Promise.resolve(true));
    const told: string[] = [];
    const working = new AbortController();
    const [first, second, other] = [
      attempt(1),
      attempt(2),
      new MockActivityEnvironment({ activityId: 'other' }),
    ];
    const execute = (environment: MockActivityEnvironment, step: () => Promise<void>) =>
      environment.run(() => interceptor.execute({ args: [{ retries: 'until gone' }], headers: {} }, step));
    const earlier = execute(first, async () => {
      told.push('1 begins');
      await once(working.signal, 'abort');
      told.push('1 ends');
      throw new Error('nobody waits for it');
    });
    const later = execute(second, () => Promise.resolve(void told.push('2 begins')));
    await execute(other, () => Promise.resolve(void told.push('the other')));
    expect(told).toEqual(['1 begins', 'the other']);
    working.abort();
    await expect(earlier).rejects.toThrow();
    await later;
    expect(told).toEqual(['1 begins', 'the other', '1 ends', '2 begins']);
    expect(steps.running).toBe(0);
  });

  it('are both ended by a cancellation', async () => {
    const steps = new RunningSteps();
    const interceptor = new StepInterceptor(steps, () => Promise.resolve(true));
    const first = attempt(1);
    const second = attempt(2);
    const forEver = new AbortController();
    const execute = (environment: MockActivityEnvironment) =>
      environment.run(() =>
        interceptor.execute({ args: [{ retries: 'until gone' }], headers: {} }, () =>
          once(forEver.signal, 'abort'),
        ),
      );
    const earlier = execute(first);
    const later = execute(second);
    second.cancel();
    await expect(later).rejects.toThrow();
    forEver.abort();
    await earlier;
    expect(steps.running).toBe(0);
  });
});
