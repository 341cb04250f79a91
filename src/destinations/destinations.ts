import { isScpUrl, parseScpUrl } from '../domain/scpUrl.js';
import { localShell } from '../system/hostShell.js';
import { ProxySockets } from '../system/proxySockets.js';
import { sshShell, type SshShell } from '../system/sshShell.js';
import type { Destination } from './destination.js';
import { byVmAndTime, type ListedPoint } from './listedPoint.js';
import { listRestorePoints, type Reach } from './listRestorePoints.js';
import { localDirectory } from './localDirectory.js';
import { Scripts } from './scripts.js';
import { listSshBackups, sshBackup } from './sshBackup.js';
import { sshDirectory } from './sshDirectory.js';
import type { StoredPlace } from './storedPlace.js';
import { localBackup, type FarBackup, type StoredBackup } from './storedBackup.js';

/** Leads to the places of backups by what names them: an absolute path of this machine, or an scp URL. */
export class Destinations {
  readonly #stateDirectory: string;

  constructor(stateDirectory: string) {
    this.#stateDirectory = stateDirectory;
  }

  /** Nothing is connected to before the place is asked for something. @throws EverthawError WrongUsage */
  async at(directory: string): Promise<Destination> {
    return isScpUrl(directory)
      ? sshDirectory(directory, await this.#shellAt(directory))
      : localDirectory(directory);
  }

  /** The same of what is read there. */
  async backupAt(directory: string): Promise<StoredBackup> {
    return isScpUrl(directory) ? this.farBackupAt(directory) : localBackup(directory);
  }

  async farBackupAt(url: string): Promise<FarBackup> {
    return sshBackup(url, await this.#shellAt(url));
  }

  /** A restore point's place, for what is done to it as a whole. */
  async placeAt(directory: string): Promise<StoredPlace> {
    if (!isScpUrl(directory)) return { directory, path: directory, scripts: new Scripts(localShell) };
    const { path } = parseScpUrl(directory);
    return { directory, path, scripts: new Scripts(await this.#shellAt(directory)) };
  }

  /** All that is or was to be a restore point below directories, by VM, then time. @throws EverthawError where one cannot be read */
  async listBelow(roots: readonly string[], reach: Reach): Promise<readonly ListedPoint[]> {
    const points = [
      ...(await listRestorePoints(
        roots.filter((root) => !isScpUrl(root)),
        reach,
      )),
    ];
    for (const root of new Set(roots.filter(isScpUrl)))
      points.push(...(await listSshBackups(root, await this.#shellAt(root), reach)));
    return points.sort(byVmAndTime);
  }

  async #shellAt(url: string): Promise<SshShell> {
    const { destination, port } = parseScpUrl(url);
    return sshShell(destination, port, await ProxySockets.open(this.#stateDirectory));
  }
}
