import { connect } from 'node:net';

const PATIENCE_MS = 5000;

/** Why nobody can be talked to at a port, as the system tells it; undefined where somebody answers. */
export function whyClosed(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PATIENCE_MS });
    const end = (why: string | undefined): void => {
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => {
      end(undefined);
    });
    socket.once('timeout', () => {
      end(`no answer within ${PATIENCE_MS / 1000} s`);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      end(error.code ?? error.message);
    });
  });
}
