import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** How a connection is cut: it is refused and reset, or it stays and nothing goes through any more. */
export type Cut = 'reset' | 'silent';

/** A way to a server on this machine that can be cut, and mended. */
export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #target: () => number;
  #cut: Cut | undefined;

  private constructor(target: () => number) {
    this.#target = target;
    this.#server = createServer((near) => {
      this.#join(near);
    });
  }

  /** `target` is asked for each connection: a server that starts again may get another port. */
  static async start(target: () => number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  cut(how: Cut): void {
    this.#cut = how;
    for (const [near, far] of this.#pairs) {
      if (how === 'reset') {
        near.resetAndDestroy();
        far.destroy();
      } else {
        near.pause();
        far.pause();
      }
    }
  }

  /** Connections that were silent go on where they were, as after a cable is put back. */
  mend(): void {
    this.#cut = undefined;
    for (const [near, far] of this.#pairs) {
      near.resume();
      far.resume();
    }
  }

  async stop(): Promise<void> {
    this.cut('reset');
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(near: Socket): void {
    if (this.#cut === 'reset') {
      near.resetAndDestroy();
      return;
    }
    const far = connect(this.#target(), '127.0.0.1');
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [one, other] of [pair, [far, near] as const]) {
      one.on('data', (bytes) => {
        if (!other.write(bytes)) one.pause();
      });
      other.on('drain', () => {
        if (this.#cut === undefined) one.resume();
      });
      one.on('error', () => undefined);
      one.once('end', () => other.end());
      one.once('close', () => {
        this.#pairs.delete(pair);
        other.destroy();
      });
    }
    if (this.#cut === 'silent') near.pause();
  }
}
