import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MANIFEST_FILE } from '../domain/manifest.js';
import { partialName } from '../domain/names.js';
import { copyToFile } from '../disks/copier.js';
import { lookInto } from '../disks/readableFile.js';
import { copySmallFile } from '../disks/smallFile.js';
import type { Destination, PartialBackup } from './destination.js';
import {
  checkDestination,
  commitPartial,
  disown,
  exists,
  freeBytes,
  makePartial,
  readOwnerFile,
  removeDirectory,
} from './directory.js';
import { readAnyManifest } from './restorePoint.js';

/** A directory of this machine. */
export function localDirectory(directory: string): Destination {
  return {
    directory,
    check: () => checkDestination(directory),
    freeBytes: () => freeBytes(dirname(directory)),
    restorePoint: async () =>
      (await exists(join(directory, MANIFEST_FILE))) ? readAnyManifest(directory) : undefined,
    disown: () => disown(directory),
    partialOf: (runId) => localPartial(partialName(directory, runId), directory),
  };
}

function localPartial(name: string, directory: string): PartialBackup {
  return {
    name,
    isHere: true,
    exists: () => exists(name),
    owner: () => readOwnerFile(name),
    make: (owner) => makePartial(name, owner),
    discard: (file) => rm(join(name, file), { force: true }),
    copy: (file, source, onProgress, signal, copier) =>
      copyToFile({ ...source, file: join(name, file) }, onProgress, signal, copier),
    keep: (file, source, signal) => copySmallFile(source, join(name, file), signal),
    write: async (file, text) => {
      await writeFile(join(name, file), text);
      return {
        sizeBytes: Buffer.byteLength(text),
        sha256: createHash('sha256').update(text).digest('hex'),
      };
    },
    lookInto: (file, look) => lookInto(join(name, file), look),
    commit: () => commitPartial(name, directory),
    remove: () => removeDirectory(name),
  };
}
