import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import type { HashOrder } from './hasher.js';

/* The thread behind `Hasher`. It only reads the memory that it shares, and only where it was told to. */

const memory = workerData as SharedArrayBuffer;
const hash = createHash('sha256');

parentPort?.on('message', (order: HashOrder) => {
  if (order === 'digest') {
    parentPort?.postMessage(hash.digest('hex'));
  } else {
    hash.update(new Uint8Array(memory, order.offset, order.length));
    parentPort?.postMessage('');
  }
});
