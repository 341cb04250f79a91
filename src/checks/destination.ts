import { access, constants, readdir, stat } from 'node:fs/promises';
import type { Destination } from '../destinations/destination.js';
import type { Destinations } from '../destinations/destinations.js';
import { freeBytes } from '../destinations/directory.js';
import { isPartialName } from '../destinations/listedPoint.js';
import { EverthawError } from '../domain/errors.js';
import { finding, findings, type Finding } from '../domain/finding.js';
import { formatBytes } from '../domain/format.js';
import { scpUrlBelow } from '../domain/scpUrl.js';
import type { VmDescription } from '../domain/vm.js';
import { checkRoom } from './refusals.js';

/** The directory that backups are put into: there, ours to write to, and nothing unfinished in it. */
export async function checkRoot(root: string): Promise<readonly Finding[]> {
  const there = await finding('destination', root, () => usable(root));
  return there.state === 'ok' ? [there, await leftoversIn(root)] : [there];
}

/** @throws EverthawError DestinationMissing, NotPermitted */
async function usable(root: string): Promise<string> {
  const what = `back up to "${root}"`;
  const found = await stat(root).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    throw new EverthawError({
      code: 'DestinationMissing',
      what,
      why: found === undefined ? 'it does not exist' : 'it is no directory',
      hint: `make it: mkdir -p ${JSON.stringify(root)}`,
    });
  }
  try {
    await access(root, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new EverthawError({
      code: 'NotPermitted',
      what,
      why: 'this user may not write to it',
      hint: 'give the user that the worker runs as the right to',
      cause: error,
    });
  }
  return `may be written to, ${formatBytes(await freeBytes(root))} left`;
}

async function leftoversIn(root: string): Promise<Finding> {
  const partial = (await readdir(root)).filter(isPartialName);
  const looked = { check: 'leftovers', on: root };
  if (partial.length === 0) return { ...looked, state: 'ok', found: 'no unfinished backups' };
  return {
    ...looked,
    state: 'warning',
    found: `${partial.length} unfinished: ${partial.slice(0, 3).join(', ')}${partial.length > 3 ? ', …' : ''}`,
    todo: 'a living run’s is meant to be there; what a dead one left, everthaw cleanup removes',
  };
}

/** A directory on another machine: ssh leads there, it is there, and the programs too. What is unfinished in it only its proxy knows. */
export async function checkRootOverSsh(
  root: string,
  destinations: Destinations,
): Promise<readonly Finding[]> {
  const below = await destinations.at(scpUrlBelow(root, 'a backup to be'));
  const there = await finding('destination', root, async () => {
    await below.check();
    return `ssh leads there, ${formatBytes(await below.freeBytes())} left`;
  });
  return [there];
}

/** Where one VM's backup would go. */
export async function checkPlaceOf(vm: VmDescription, place: Destination): Promise<readonly Finding[]> {
  const check = 'destination';
  const on = place.directory;
  return findings(check, on, async () => {
    await place.check();
    const warnings = await checkRoom(vm, place);
    if (warnings.length === 0) return [{ check, on, state: 'ok', found: `has room for VM "${vm.name}"` }];
    return warnings.map((found) => ({ check, on, state: 'warning', found }));
  });
}
