import type { OwnerRecord } from './owner.js';

/** What the owner's own server says of the run that took a thing. */
export type Liveness =
  | { readonly state: 'living' }
  | { readonly state: 'closed'; readonly status: string }
  | { readonly state: 'unknown to its cluster' }
  | { readonly state: 'unreachable' };

/** A thing that was found, with what its record says. */
export interface FoundThing {
  readonly owner: OwnerRecord | undefined;
  /** The VM that it was found on, where it was found on one. */
  readonly vmUuid?: string;
  /** What belongs to a point in time: how long it has stood, by the host's clock. */
  readonly ageMs?: number;
  /** Snapshots only: meant to stay. */
  readonly kept?: OwnerRecord['kept'] | undefined;
  /** Why nobody can have it any more, whoever it was: a command that died. */
  readonly orphaned?: string;
  /** Its run may be about to start: that no server knows it says nothing yet. */
  readonly isStarting?: boolean;
}

export interface ReleaseRules {
  /** The cluster and namespace that can be asked; records of another are foreign. */
  readonly cluster: string | undefined;
  readonly namespace: string;
  readonly maximumAgeMs: number;
}

/** Why a thing stays. What is unowned, foreign or meant to stay may be let go by force, for nobody here can say that it is needed. */
export type KeptBecause = 'unowned' | 'foreign' | 'meant to stay' | 'living' | 'unknown';

export function isForcible(because: KeptBecause): boolean {
  return because !== 'living' && because !== 'unknown';
}

export type Decision =
  | { readonly release: true; readonly reason: string }
  | { readonly release: false; readonly because: KeptBecause; readonly reason: string };

/**
 * May this thing be released? The rules of ownership in docs/architecture.md, with the reason that is shown. In doubt the
 * thing stays. Age beats liveness, because a wedged workflow looks alive for ever.
 */
export function decideRelease(thing: FoundThing, liveness: Liveness, rules: ReleaseRules): Decision {
  const ownership = decideOwnership(thing);
  if ('release' in ownership) return ownership;
  const { owner } = ownership;
  if (rules.cluster === undefined)
    return keep('unknown', 'no Temporal server could be asked about its owner');
  if (!canBeAsked(owner, rules)) {
    return keep(
      'foreign',
      `it belongs to another Temporal cluster or namespace (${owner.cluster}, ${owner.namespace})`,
    );
  }
  const tooOld = decideAge(thing, rules);
  if (tooOld !== undefined) return tooOld;
  switch (liveness.state) {
    case 'living':
      return keep('living', `its run ${owner.workflowId} is living`);
    case 'closed':
    case 'unknown to its cluster':
      if (thing.isStarting === true)
        return keep('living', `its run ${owner.workflowId} may just be starting`);
      return release(
        liveness.state === 'closed'
          ? `its run ${owner.workflowId} is closed (${liveness.status})`
          : `its run ${owner.workflowId} is not known to its own cluster any more`,
      );
    case 'unreachable':
      return keep('unknown', 'its Temporal server does not answer');
  }
}

/** Whether the server that these rules are about can say something of an owner. */
export function canBeAsked(
  owner: OwnerRecord,
  { cluster, namespace }: Pick<ReleaseRules, 'cluster' | 'namespace'>,
): boolean {
  return owner.cluster === cluster && owner.namespace === namespace;
}

/** What needs no server: whether the thing says whose it is, and is where that owner took it. */
export function decideOwnership(thing: FoundThing): Decision | { readonly owner: OwnerRecord } {
  const { owner } = thing;
  if (thing.orphaned !== undefined) return release(thing.orphaned);
  if (owner === undefined) return keep('unowned', 'it carries no owner record of ours');
  if (thing.vmUuid !== undefined && thing.vmUuid !== owner.vmUuid) {
    return keep('foreign', `its record names another VM (${owner.vmUuid}): a clone or a restored copy`);
  }
  if (thing.kept !== undefined) return keep('meant to stay', `${thing.kept} left it there on purpose`);
  return { owner };
}

export function decideAge(
  { ageMs, owner }: FoundThing,
  { maximumAgeMs }: Pick<ReleaseRules, 'maximumAgeMs'>,
): Decision | undefined {
  if (ageMs === undefined || ageMs <= (owner?.maximumAgeMs ?? maximumAgeMs)) return undefined;
  return release(`it is older than the maximum snapshot age (${Math.round(ageMs / 1000)} s)`);
}

export function keep(because: KeptBecause, reason: string): Decision {
  return { release: false, because, reason };
}

export function release(reason: string): Decision {
  return { release: true, reason };
}
