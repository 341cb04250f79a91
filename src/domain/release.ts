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
  /** Snapshots only: how long it has stood, by the host's clock. */
  readonly ageMs?: number;
  /** Snapshots only: meant to stay. */
  readonly kept?: OwnerRecord['kept'] | undefined;
}

export interface ReleaseRules {
  /** The cluster and namespace that can be asked; records of another are foreign. */
  readonly cluster: string | undefined;
  readonly namespace: string;
  readonly maximumAgeMs: number;
}

export type Decision =
  { readonly release: true; readonly reason: string } | { readonly release: false; readonly reason: string };

/**
 * May this thing be released? The rules of ownership in docs/architecture.md, with the reason that is shown. In doubt the
 * thing stays. Age beats liveness, because a wedged workflow looks alive for ever.
 */
export function decideRelease(thing: FoundThing, liveness: Liveness, rules: ReleaseRules): Decision {
  const { owner } = thing;
  if (owner === undefined) return keep('it carries no owner record of ours');
  if (thing.vmUuid !== undefined && thing.vmUuid !== owner.vmUuid) {
    return keep(`its record names another VM (${owner.vmUuid}): a clone or a restored copy`);
  }
  if (thing.kept !== undefined) return keep(`${thing.kept} left it there on purpose`);
  if (rules.cluster === undefined) return keep('no Temporal server could be asked about its owner');
  if (owner.cluster !== rules.cluster || owner.namespace !== rules.namespace) {
    return keep(`it belongs to another Temporal cluster or namespace (${owner.cluster}, ${owner.namespace})`);
  }
  if (thing.ageMs !== undefined && thing.ageMs > rules.maximumAgeMs) {
    return release(`it is older than the maximum snapshot age (${Math.round(thing.ageMs / 1000)} s)`);
  }
  switch (liveness.state) {
    case 'living':
      return keep(`its run ${owner.workflowId} is living`);
    case 'closed':
      return release(`its run ${owner.workflowId} is closed (${liveness.status})`);
    case 'unknown to its cluster':
      return release(`its run ${owner.workflowId} is not known to its own cluster any more`);
    case 'unreachable':
      return keep('its Temporal server does not answer');
  }
}

function keep(reason: string): Decision {
  return { release: false, reason };
}

function release(reason: string): Decision {
  return { release: true, reason };
}
