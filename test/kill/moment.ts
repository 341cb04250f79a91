import { setTimeout as sleep } from 'node:timers/promises';
import { endOfStep, type RunWatch } from './runWatch.js';
import type { Scene } from './scene.js';

const LOOK_MS = 50;

/** Of the first disk, at the lab's speeds. */
const USUAL_TRANSFER_MS = 2000;

/** When in a run something is done to it. */
export type Moment =
  | {
      readonly at: 'step';
      readonly type: string;
      readonly point: 'before' | 'in' | 'after';
      /** Which of several steps of this type. */
      readonly nth: number;
      /** How far into it, where that is asked for. */
      readonly delayMs: number;
    }
  | { readonly at: 'transfer'; readonly percent: number }
  | { readonly at: 'holding'; readonly pattern: RegExp; readonly kind: string }
  | { readonly at: 'time'; readonly delayMs: number };

export function tellMoment(moment: Moment): string {
  switch (moment.at) {
    case 'step': {
      const nth = moment.nth === 1 ? '' : ` ${moment.nth}`;
      const delay = moment.point === 'in' ? ` +${moment.delayMs} ms` : '';
      return `${moment.point} ${moment.type}${nth}${delay}`;
    }
    case 'transfer':
      return `at transfer ${moment.percent}%`;
    case 'holding':
      return `holding its ${moment.kind}`;
    case 'time':
      return `after ${moment.delayMs} ms`;
  }
}

/** Waits for the moment; `false` if the run ended before it came. */
export async function awaitMoment(
  moment: Moment,
  run: RunWatch,
  scene: Scene,
  moves: string,
): Promise<boolean> {
  switch (moment.at) {
    case 'step':
      return awaitStep(moment, run);
    case 'transfer':
      return awaitTransfer(moment.percent, moves, run);
    case 'holding':
      return poll(run, async () => (await scene.look()).some((line) => moment.pattern.test(line)));
    case 'time':
      await sleep(moment.delayMs);
      return (await run.look())?.status === 'RUNNING';
  }
}

/** Told by what the step says of its progress, or by the time that it usually takes: some say nothing before they are done. */
async function awaitTransfer(percent: number, moves: string, run: RunWatch): Promise<boolean> {
  let beganAt: number | undefined;
  return poll(run, ({ pending }) => {
    const step = pending.find(({ type, isStarted }) => type === moves && isStarted);
    if (step === undefined) return false;
    beganAt ??= Date.now();
    const { bytes = 0, totalBytes = 0 } = step.pulse?.progress ?? {};
    const isFar = bytes > 0 && bytes * 100 >= totalBytes * percent;
    return isFar || (Date.now() - beganAt) * 100 >= USUAL_TRANSFER_MS * percent;
  });
}

async function awaitStep(moment: Extract<Moment, { at: 'step' }>, run: RunWatch): Promise<boolean> {
  const wanted = new Set<string>();
  let seen = 0;
  for await (const event of run.events()) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled?.activityType?.name === moment.type && ++seen === moment.nth) {
      wanted.add(String(event.eventId));
      if (moment.point === 'before') return true;
      if (moment.point === 'in') {
        const isUnderWay = await poll(run, ({ pending }) =>
          pending.some(({ type, isStarted }) => type === moment.type && isStarted),
        );
        if (isUnderWay) await sleep(moment.delayMs);
        return isUnderWay;
      }
    }
    const ended = endOfStep(event);
    if (ended !== undefined && wanted.has(ended)) return true;
  }
  return false;
}

async function poll(
  run: RunWatch,
  condition: (look: NonNullable<Awaited<ReturnType<RunWatch['look']>>>) => boolean | Promise<boolean>,
): Promise<boolean> {
  for (;;) {
    const look = await run.look();
    if (look !== undefined) {
      if (await condition(look)) return true;
      if (look.status !== 'RUNNING') return false;
    }
    await sleep(LOOK_MS);
  }
}
