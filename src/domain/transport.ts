import { EverthawError } from './errors.js';

/** How the proxy reaches a disk (F5), and by which of the host's ways in. */
export interface Transport {
  readonly mode: 'nbdssl';
  /** `lease`: the export lease, a stream of the whole disk. `datastore`: the datastore's HTTPS access, random access. */
  readonly via: 'lease' | 'datastore';
}

/** Reads `nbdssl`, `nbdssl:lease` or `nbdssl:datastore`. */
export function parseTransport(text: string): Transport {
  const [mode, via = 'lease'] = text.split(':');
  if (mode === 'nbdssl' && (via === 'lease' || via === 'datastore')) return { mode, via };
  throw new EverthawError({
    code: 'WrongUsage',
    what: `choose transport ${JSON.stringify(text)}`,
    why: ['san', 'nbd', 'cos'].includes(mode ?? '')
      ? 'this transport mode is not built yet'
      : 'no such transport',
    hint: 'use nbdssl (the same as nbdssl:lease) or nbdssl:datastore',
  });
}

export function formatTransport(transport: Transport): string {
  return `${transport.mode}:${transport.via}`;
}
