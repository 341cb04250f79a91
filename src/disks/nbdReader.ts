import { connect, type Socket } from 'node:net';

/*
 * Reads an NBD export from front to back, whole blocks, in order. nbdcopy cannot: into a pipe it knows one request at a time, so
 * that nobody reads while it writes (docs/benchmarks.md). Two connections with a request each are what it does into a file.
 */

/** Behind the server every request is one over HTTPS, dear to begin: large ones. Larger than this fall out of the cores' caches. */
const REQUEST_BYTES = 4 * 1024 * 1024;
const CONNECTIONS = 2;

const GREETING_BYTES = 18;
const EXPORT_BYTES = 10;
const REPLY_BYTES = 16;
const GREETING = Buffer.from('NBDMAGICIHAVEOPT');
const REPLY_MAGIC = 0x67446698;

/** The bytes of an export. A block is the reader's until it asks for the next one. @throws Error when the server fails */
export async function* readNbd(socket: string): AsyncGenerator<Buffer, void> {
  const connections: NbdConnection[] = [];
  try {
    for (let n = 0; n < CONNECTIONS; n++) connections.push(await NbdConnection.open(socket));
    const sizeBytes = Math.min(...connections.map((connection) => connection.sizeBytes));
    const asked: { readonly connection: NbdConnection; readonly block: Promise<Buffer> }[] = [];
    let next = 0;
    const ask = (connection: NbdConnection): void => {
      if (next >= sizeBytes) return;
      const lengthBytes = Math.min(REQUEST_BYTES, sizeBytes - next);
      const block = connection.read(next, lengthBytes);
      // It is looked at when its turn comes.
      block.catch(() => undefined);
      asked.push({ connection, block });
      next += lengthBytes;
    };
    connections.forEach(ask);
    for (let first = asked.shift(); first !== undefined; first = asked.shift()) {
      yield await first.block;
      ask(first.connection);
    }
  } finally {
    for (const connection of connections) connection.close();
  }
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One connection with at most one request, whose answer the kernel copies to where it belongs. */
class NbdConnection {
  sizeBytes = 0;
  readonly #socket: Socket;
  readonly #reply = Buffer.alloc(REPLY_BYTES);
  readonly #block = Buffer.allocUnsafeSlow(REQUEST_BYTES);
  #requestBytes = 0;
  /** Where the next bytes go, how many have come, and what is done when it is full. */
  #target: Buffer = Buffer.alloc(GREETING_BYTES);
  #filledBytes = 0;
  #whenFull: () => void = () => {
    this.#greet();
  };
  #waiting: Waiting | undefined;
  #broken: Error | undefined;

  static async open(path: string): Promise<NbdConnection> {
    const connection = new NbdConnection(path);
    await connection.#wait();
    return connection;
  }

  private constructor(path: string) {
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

  async read(offset: number, lengthBytes: number): Promise<Buffer> {
    const request = Buffer.alloc(28);
    request.writeUInt32BE(0x25609513, 0);
    request.writeBigUInt64BE(BigInt(offset), 16);
    request.writeUInt32BE(lengthBytes, 24);
    this.#requestBytes = lengthBytes;
    this.#socket.write(request);
    await this.#wait();
    return this.#block.subarray(0, lengthBytes);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Fixed newstyle negotiation in its shortest form: the default export, without options. */
  #greet(): void {
    if (!this.#target.subarray(0, GREETING.length).equals(GREETING)) {
      this.#fail(new Error('it is no NBD server'));
      return;
    }
    const answer = Buffer.alloc(20);
    answer.writeUInt32BE(0b11, 0);
    answer.write('IHAVEOPT', 4);
    answer.writeUInt32BE(1, 12);
    this.#socket.write(answer);
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
        this.#fill(this.#block.subarray(0, this.#requestBytes), () => {
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
