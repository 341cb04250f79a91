import { appendFileSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';

/*
 * Loaded into a worker and its copying process by `NODE_OPTIONS=--import`: notes when a request to the vCenter and when a
 * program ran. The product itself knows nothing of it.
 */

/** From and to: milliseconds since the epoch. */
export interface Span {
  readonly kind: 'request' | 'program';
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

const file = process.env['BENCH_PROBE'];
if (file !== undefined) {
  const now = (): number => performance.timeOrigin + performance.now();
  const note = (span: Span): void => {
    appendFileSync(file, `${JSON.stringify(span)}\n`);
  };

  const started = new WeakMap<object, number>();
  subscribe('undici:request:create', (message) => {
    started.set((message as { request: object }).request, now());
  });
  for (const end of ['undici:request:trailers', 'undici:request:error']) {
    subscribe(end, (message) => {
      const from = started.get((message as { request: object }).request);
      if (from !== undefined) note({ kind: 'request', name: 'vCenter', from, to: now() });
    });
  }

  subscribe('child_process', (message) => {
    const { process: child } = message as { process: ChildProcess };
    const from = now();
    child.once('exit', () => {
      // Everything is started through setpriv: the program is what follows its `--`.
      const name = child.spawnargs[child.spawnargs.indexOf('--') + 1] ?? '';
      note({ kind: 'program', name: name.split('/').at(-1) ?? '', from, to: now() });
    });
  });
}
