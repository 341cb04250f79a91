import { decideAge, decideOwnership, keep, release, type Decision, type FoundThing } from './release.js';

/** When this proxy last heard of its Temporal server, as its worker noted it. */
export interface LastHeard {
  readonly cluster: string;
  readonly namespace: string;
  /** At least so long ago. */
  readonly silentMs: number;
  /** Whether that was since this machine was started. */
  readonly isSinceBoot: boolean;
}

/** What is known where no server can be asked. */
export interface OfflineRules {
  readonly proxy: string;
  readonly machineId: string;
  readonly bootId: string;
  readonly heard: LastHeard | undefined;
  /** After so long a silence nobody is taken to be coming back. */
  readonly afterMs: number;
  readonly maximumAgeMs: number;
  /** A process that may still be doing steps of runs: it sweeps by itself. */
  readonly livingWorker: string | undefined;
}

/** A found thing, and whether it is of no use to anybody once this machine was started anew. */
export interface OfflineThing extends FoundThing {
  readonly diesWithBoot: boolean;
  /** Without it a run whose server comes back could not end. */
  readonly isNeededToEnd?: boolean;
}

/**
 * May this thing be released though its owner's server cannot be asked? Only where its owner names this proxy on this machine and
 * the very server that has been silent; in doubt it stays.
 */
export function decideOffline(thing: OfflineThing, rules: OfflineRules): Decision {
  const ownership = decideOwnership(thing);
  if ('release' in ownership) return ownership;
  const { owner } = ownership;
  const { heard, afterMs, livingWorker } = rules;
  if (rules.machineId === '') return keep('unknown', 'this machine has no id: whose it is cannot be told');
  if (owner.proxy !== rules.proxy || owner.machineId !== rules.machineId)
    return keep('foreign', `it belongs to another proxy (${owner.proxy}), which may hear of its server`);
  if (livingWorker !== undefined)
    return keep('unknown', `${livingWorker} of this proxy lives, and lets go of it when that is due`);
  if (thing.isNeededToEnd === true)
    return keep('unknown', 'its run needs it to end, should its server come back');
  const tooOld = decideAge(thing, rules);
  if (tooOld !== undefined) return tooOld;
  if (heard === undefined) return keep('unknown', 'when its Temporal server was last heard of is not known');
  if (owner.cluster !== heard.cluster || owner.namespace !== heard.namespace) {
    return keep(
      'foreign',
      `it belongs to another Temporal cluster or namespace (${owner.cluster}, ${owner.namespace})`,
    );
  }
  if (thing.diesWithBoot && owner.bootId !== rules.bootId && !heard.isSinceBoot)
    return release('this machine was started anew, and its Temporal server was not heard of since');
  const seconds = Math.floor(heard.silentMs / 1000);
  if (heard.silentMs <= afterMs)
    return keep('unknown', `its Temporal server may be back: it was heard of ${seconds} s ago`);
  return release(`its Temporal server was not heard of for ${seconds} s`);
}
