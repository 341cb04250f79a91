import { EverthawError } from './errors.js';

/** How the proxy reaches a disk (F5), and by which of the host's ways in. */
export interface Transport {
  readonly mode: 'nbd' | 'nbdssl';
  /**
   * `lease`: the export lease, a stream of the whole disk. `datastore`: the datastore's HTTPS access, random access.
   * `export`: an NBD export that the host itself serves.
   */
  readonly via: 'lease' | 'datastore' | 'export';
}

/** Every transport that is built, by the text that names it. The first of a mode is what the mode alone means. */
const TRANSPORTS = {
  'nbdssl:lease': { mode: 'nbdssl', via: 'lease' },
  'nbdssl:datastore': { mode: 'nbdssl', via: 'datastore' },
  'nbdssl:export': { mode: 'nbdssl', via: 'export' },
  'nbd:export': { mode: 'nbd', via: 'export' },
} as const satisfies Record<string, Transport>;

/** Every mode (F5), and every transport that is built. */
export const TRANSPORT_NAMES = ['san', 'nbd', 'nbdssl', 'cos', ...Object.keys(TRANSPORTS)] as const;

/** Reads `nbdssl:datastore`, say, or a mode alone. */
export function parseTransport(text: string): Transport {
  const found = Object.entries(TRANSPORTS).find(([name]) => name === text || name.split(':')[0] === text);
  if (found !== undefined) return found[1];
  throw new EverthawError({
    code: 'WrongUsage',
    what: `choose transport ${JSON.stringify(text)}`,
    why: ['san', 'cos'].includes(text) ? 'this transport mode is not built yet' : 'no such transport',
    hint: `use ${Object.keys(TRANSPORTS).join(', ')}`,
  });
}

export function formatTransport(transport: Transport): string {
  return `${transport.mode}:${transport.via}`;
}
