import { connect, type Socket } from 'node:net';
import type { PlannedBlock } from './blockPlan.js';
import type { BlockPool } from './blockPool.js';

/*
 * Reads an NBD export by a plan, block by block, in order. nbdcopy cannot: into a pipe it knows one request at a time, so
 * that nobody reads while it writes (docs/benchmarks.md). Two connections with a request each are what it does into a file.
 */

const CONNECTIONS = 2;

const GREETING_BYTES = 18;
const EXPORT_BYTES = 10;
const REPLY_BYTES = 16;
const GREETING = Buffer.from('NBDMAGICIHAVEOPT');
const REPLY_MAGIC = 0x67446698;

/**
 * Puts the blocks of a plan, which is made for a disk of the export's size.
 *
 * @throws Error when the server fails
 */
export async function readNbd(
  { socket, exportName = '' }: { readonly socket: string; readonly exportName?: string },
  planFor: (sizeBytes: number) => Iterator<PlannedBlock, void>,
  pool: BlockPool,
  put: (bytes: Buffer) => void,
): Promise<void> {
  const connections: NbdConnection[] = [];
  try {
    for (let n = 0; n < CONNECTIONS; n++) connections.push(await NbdConnection.open(socket, exportName));
    const plan = planFor(Math.min(...connections.map((connection) => connection.sizeBytes)));
    let inOrder: Promise<void> = Promise.resolve();
    const putAfter = async (before: Promise<void>, reading: Promise<Buffer>): Promise<void> => {
      const [bytes] = await Promise.all([reading, before]);
      put(bytes);
    };
    // Each asks for its next block as soon as it has one, whatever the other does: the order is made behind them.
    const readOn = async (connection: NbdConnection): Promise<void> => {
      while (true) {
        const block = await pool.take();
        const next = plan.next();
        if (next.done === true) {
          pool.give(block);
          return;
        }
        const reading = fillBlock(connection, next.value, block.subarray(0, next.value.lengthBytes));
        inOrder = putAfter(inOrder, reading);
        // Met by whoever waits for the reading itself.
        inOrder.catch(() => undefined);
        await reading;
      }
    };
    await Promise.all(connections.map(readOn));
    await inOrder;
  } finally {
    for (const connection of connections) connection.close();
  }
}

async function fillBlock(
  connection: NbdConnection,
  { pieces, fill }: PlannedBlock,
  bytes: Buffer,
): Promise<Buffer> {
  const read = pieces.reduce((sum, { length }) => sum + length, 0);
  // A block has held something else before.
  if (read < bytes.length) bytes.fill(0);
  fill?.(bytes);
  for (const { offset, at, length } of pieces) await connection.read(offset, bytes.subarray(at, at + length));
  return bytes;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One connection with at most one request, whose answer the kernel copies to where it belongs. */
class NbdConnection {
  sizeBytes = 0;
  readonly #socket: Socket;
  readonly #exportName: Buffer;
  readonly #reply = Buffer.alloc(REPLY_BYTES);
  #wanted: Buffer = Buffer.alloc(0);
  /** Where the next bytes go, how many have come, and what is done when it is full. */
  #target: Buffer = Buffer.alloc(GREETING_BYTES);
  #filledBytes = 0;
  #whenFull: () => void = () => {
    this.#greet();
  };
  #waiting: Waiting | undefined;
  #broken: Error | undefined;

  static async open(path: string, exportName: string): Promise<NbdConnection> {
    const connection = new NbdConnection(path, exportName);
    await connection.#wait();
    return connection;
  }

  private constructor(path: string, exportName: string) {
    this.#exportName = Buffer.from(exportName);
    this.#socket = connect({
      path,
      onread: {
        buffer: () => this.#target.subarray(this.#filledBytes),
        callback: (bytes) => {
          this.#filledBytes += bytes;
          if (this.#filledBytes === this.#target.length) this.#whenFull();
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => {
      this.#fail(error);
    });
    this.#socket.on('close', () => {
      this.#fail(new Error('the NBD server closed the connection'));
    });
  }

  /** Fills `wanted` with what begins at `offset`, and returns it. */
  async read(offset: number, wanted: Buffer): Promise<Buffer> {
    const request = Buffer.alloc(28);
    request.writeUInt32BE(0x25609513, 0);
    request.writeBigUInt64BE(BigInt(offset), 16);
    request.writeUInt32BE(wanted.length, 24);
    this.#wanted = wanted;
    this.#socket.write(request);
    await this.#wait();
    return wanted;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Fixed newstyle negotiation in its shortest form: the export by its name, without options. */
  #greet(): void {
    if (!this.#target.subarray(0, GREETING.length).equals(GREETING)) {
      this.#fail(new Error('it is no NBD server'));
      return;
    }
    const answer = Buffer.alloc(20);
    answer.writeUInt32BE(0b11, 0);
    answer.write('IHAVEOPT', 4);
    answer.writeUInt32BE(1, 12);
    answer.writeUInt32BE(this.#exportName.length, 16);
    this.#socket.write(Buffer.concat([answer, this.#exportName]));
    const description = Buffer.alloc(EXPORT_BYTES);
    this.#fill(description, () => {
      this.sizeBytes = Number(description.readBigUInt64BE(0));
      this.#awaitReply();
      this.#done();
    });
  }

  #awaitReply(): void {
    this.#fill(this.#reply, () => {
      const code = this.#reply.readUInt32BE(4);
      if (this.#reply.readUInt32BE(0) !== REPLY_MAGIC)
        this.#fail(new Error('the NBD server answers nonsense'));
      else if (code !== 0) this.#fail(new Error(`the NBD server could not read: error ${code}`));
      else
        this.#fill(this.#wanted, () => {
          this.#awaitReply();
          this.#done();
        });
    });
  }

  /** Set at once when the last target is full: the socket asks for the next one before anybody else runs. */
  #fill(target: Buffer, whenFull: () => void): void {
    this.#target = target;
    this.#filledBytes = 0;
    this.#whenFull = whenFull;
  }

  #wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#broken === undefined) this.#waiting = { resolve, reject };
      else reject(this.#broken);
    });
  }

  #done(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    this.#waiting?.reject(this.#broken);
    this.#waiting = undefined;
    this.#socket.destroy();
  }
}
