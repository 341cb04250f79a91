import { isScpUrl, parseScpUrl } from '../domain/scpUrl.js';
import { ProxySockets } from '../system/proxySockets.js';
import { sshShell } from '../system/sshShell.js';
import type { Destination } from './destination.js';
import { localDirectory } from './localDirectory.js';
import { sshDirectory } from './sshDirectory.js';

/** Leads to the places of backups by what names them: an absolute path of this machine, or an scp URL. */
export class Destinations {
  readonly #stateDirectory: string;

  constructor(stateDirectory: string) {
    this.#stateDirectory = stateDirectory;
  }

  /** Nothing is connected to before the place is asked for something. @throws EverthawError WrongUsage */
  async at(directory: string): Promise<Destination> {
    if (!isScpUrl(directory)) return localDirectory(directory);
    const { destination, port } = parseScpUrl(directory);
    const sockets = await ProxySockets.open(this.#stateDirectory);
    return sshDirectory(directory, sshShell(destination, port, sockets));
  }
}
