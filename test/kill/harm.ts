import type { RunWatch } from './runWatch.js';
import type { HostKind, Job, Scene } from './scene.js';

/** What a harm is done to, and by what chance. */
export interface Blow {
  readonly scene: Scene;
  readonly run: RunWatch;
  /** Of the host's VM that the run works on. */
  readonly vmName: string;
  /** A number from `from` to `to` that the seed decides. */
  readonly chance: (from: number, to: number) => number;
  /** One of these, as the seed decides. */
  readonly pick: <T>(choices: readonly T[]) => T;
}

/** What was done, in a few words, and what takes it back. */
export interface Struck {
  readonly told: string;
  readonly mend: () => Promise<void>;
}

/**
 * What the run has to come to. `succeeded`: this harm is nobody's failure. `released`: it may fail or end as asked for; what it held is
 * let go all the same.
 */
export type Demand = 'succeeded' | 'released';

/** One thing that is done to a run. */
export interface Harm {
  readonly name: string;
  readonly hosts: readonly HostKind[];
  /** At one moment, or from before the run begins until it has ended. */
  readonly when: 'at a moment' | 'all the while';
  readonly demand: Demand;
  /** Whether the run ends without a chance to clean up, so that a sweep has to. */
  readonly terminates?: boolean;
  /** Whether the user wants the run to end: how long that takes is measured. */
  readonly cancels?: boolean;
  /** Whether all of the proxy dies: what is mounted there dies with it, and whoever reads it. */
  readonly endsProxy?: boolean;
  /** Whether the VM itself stands still meanwhile, so that its freeze lasts as long. */
  readonly stillsVm?: boolean;
  /** Whether the lab's VM is another afterwards, so that the next case gets a new lab. */
  readonly spoilsScene?: boolean;
  /** Kinds of run that it is done to; all if it is not said. */
  readonly runs?: readonly Job['run'][];
  /** Whether it is done only to runs that reach their host over this. */
  readonly over?: 'ssh';
  /** Whether it needs a destination that is soon full. */
  readonly smallDestination?: boolean;
  /** What has to be so before the run begins; returns what takes it back after it. */
  prepare?(scene: Scene): Promise<() => Promise<void>>;
  strike(blow: Blow): Struck | Promise<Struck>;
}

/** Whether a harm can be done to a kind of run. */
export function canBefall({ runs, over }: Harm, job: Job): boolean {
  return (runs?.includes(job.run) ?? true) && (over === undefined || over === job.over);
}

export const BOTH = ['vsphere', 'libvirt'] as const satisfies readonly HostKind[];

/** For what needs no mending. */
export function nothing(): Promise<void> {
  return Promise.resolve();
}
