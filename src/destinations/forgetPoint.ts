import { setTimeout as sleep } from 'node:timers/promises';
import { isErrorWithCode } from '../domain/errors.js';
import type { AnyManifest } from '../domain/fileManifest.js';
import { MANIFEST_FILE } from '../domain/manifest.js';
import { OWNER_FILE } from './directory.js';
import { forgottenName, nameBefore, othersIn } from './listedPoint.js';
import { PROTECTED_FILE, reasonIn } from './protection.js';
import { parseManifest } from './restorePoint.js';
import type { StoredPlace } from './storedPlace.js';
import { readTree, type Tree } from './tree.js';

/** How often a directory is looked at whose manifest cannot be read, and how long between: another removes it within that time. */
const MOST_LOOKS = 5;
const LOOK_MS = 200;

/** `gone`: another was faster. `kept`: it is not, or no longer, what may be removed. */
export type Forgotten =
  | { readonly state: 'forgotten' }
  | { readonly state: 'gone' }
  | { readonly state: 'kept'; readonly why: string };

/** What a restore point has in other places than its directory: an integration module carried it there. */
export interface HeldElsewhere {
  /** Why it could not be removed there; undefined where it can, or where there is nothing. */
  refusal(manifest: AnyManifest): string | undefined;
  /** Removes it; done again, it is done. @throws EverthawError */
  remove(manifest: AnyManifest): Promise<void>;
}

/**
 * Removes a restore point where it is. It gets another name first, under which nobody takes it for a backup, and by which a later
 * {@link endForgetting} finds it if this is cut off; of two who try, one has it. Only then, when nobody else gets at it by its name,
 * is it looked at once more: it must be the restore point of that run, with nothing else in it, no run's and not protected; else it gets
 * its name back. Nothing is removed but the files that its manifest lists, each by its name, and the directory once it is empty: no
 * link is followed, no directory gone down into, no mount crossed. What it has elsewhere goes before them.
 *
 * @throws EverthawError where a step fails
 */
export async function forgetPoint(
  place: StoredPlace,
  runId: string,
  id: string,
  elsewhere: HeldElsewhere,
): Promise<Forgotten> {
  const { directory, path, scripts } = place;
  const renamed = { scripts, directory: forgottenName(directory, id), path: forgottenName(path, id) };
  const said = await scripts.run(`forget "${directory}"`, RENAME, [path, renamed.path]);
  if (!said.startsWith('renamed')) return { state: 'gone' };
  return removeProved(renamed, runId, elsewhere);
}

/** Goes on with what {@link forgetPoint} was cut off in. @throws EverthawError where a step fails */
export function endForgetting(place: StoredPlace, elsewhere: HeldElsewhere): Promise<Forgotten> {
  return removeProved(place, undefined, elsewhere);
}

async function removeProved(
  place: StoredPlace,
  runId: string | undefined,
  elsewhere: HeldElsewhere,
): Promise<Forgotten> {
  const { directory, path, scripts } = place;
  const what = `remove "${directory}"`;
  const proof = await lookAt(place, runId, elsewhere);
  if (proof === undefined) return { state: 'gone' };
  if (proof.why === undefined) {
    if (proof.manifest !== undefined) await elsewhere.remove(proof.manifest);
    const names = Buffer.from(proof.files.map((name) => `${name}\0`).join(''));
    await scripts.runLong(what, REMOVE, [path], undefined, names);
    return { state: 'forgotten' };
  }
  // One whose removal has begun is no backup any more, and what was never seen to be one is nobody's to rename.
  const isToGoBack = proof.isWhole ?? runId !== undefined;
  const isBack =
    isToGoBack && (await scripts.run(what, GIVE_BACK, [path, nameBefore(path)])).startsWith('back');
  return { state: 'kept', why: isBack ? proof.why : `${proof.why}; it is "${directory}" now` };
}

/**
 * Looks whether it may be removed. Where another removes it at this moment, what was listed cannot be read a moment later, and it is looked
 * again until it is gone, or stays as it is.
 *
 * @returns undefined where it is gone
 */
async function lookAt(
  { directory, path, scripts }: StoredPlace,
  runId: string | undefined,
  elsewhere: HeldElsewhere,
): Promise<Proof | undefined> {
  const what = `remove "${directory}"`;
  const isThere = async (): Promise<boolean> =>
    (await scripts.run(what, IS_THERE, [path])).startsWith('there');
  for (let left = MOST_LOOKS; ; left--) {
    if (!(await isThere())) return undefined;
    try {
      const proof = proofOf(
        await readTree(scripts, what, path, 'one file system'),
        directory,
        runId,
        elsewhere,
      );
      if (proof.isWhole !== undefined || left === 1 || proof.why === undefined) return proof;
    } catch (error) {
      if (left === 1) throw error;
    }
    await sleep(LOOK_MS);
  }
}

interface Proof {
  /** Why it may not be removed. */
  readonly why?: string;
  readonly manifest?: AnyManifest;
  /** Names of what is removed. */
  readonly files: readonly string[];
  /** Whether all of it is there; undefined where its manifest cannot be read. */
  readonly isWhole?: boolean;
}

function proofOf(tree: Tree, directory: string, runId: string | undefined, elsewhere: HeldElsewhere): Proof {
  const entries = tree.entriesOf('');
  if (entries.size === 0) return { files: [] };
  let manifest: AnyManifest;
  try {
    manifest = parseManifest(tree.textOf(MANIFEST_FILE) ?? '', directory);
  } catch (error) {
    if (!isErrorWithCode(error, 'BackupDamaged')) throw error;
    return { why: error.why, files: [] };
  }
  const names = [...entries.keys()];
  const files = manifest.files.map(({ path }) => path);
  const isWhole = files.every((name) => entries.has(name));
  const why = names.includes(PROTECTED_FILE)
    ? `protected: ${reasonIn(tree.textOf(PROTECTED_FILE) ?? '')}`
    : names.includes(OWNER_FILE)
      ? 'a run owns it'
      : runId !== undefined && manifest.runId !== runId
        ? 'another backup took its place meanwhile'
        : (othersWhy(othersIn(names, manifest)) ?? elsewhere.refusal(manifest));
  return { manifest, files, isWhole, ...(why === undefined ? {} : { why }) };
}

/** Why what lies beside a backup keeps it. */
export function othersWhy(others: readonly string[]): string | undefined {
  const [first, ...more] = others;
  if (first === undefined) return undefined;
  return `it holds ${first}${more.length === 0 ? '' : ` and ${more.length} more`}, which is none of its files`;
}

/*
 * The scripts. "$1" and so on are quoted by who runs them, and never part of a script's text.
 */

/** What is on the disk under the new name is so before any of it is removed. */
const RENAME = `
[ -f "$1/${MANIFEST_FILE}" ] && [ ! -L "$1" ] || { echo gone; exit; }
mv -T -- "$1" "$2" || { [ ! -e "$1" ] || exit 1; echo gone; exit; }
sync -- "$(dirname -- "$2")"
echo renamed`;

const IS_THERE = `[ ! -d "$1" ] || [ -L "$1" ] || echo there`;

/** The manifest goes last: as long as anything is there, it says what that is. Another may do the same at once. */
const REMOVE = `
cd -P -- "$1" || { [ ! -e "$1" ]; exit; }
xargs -0 -r rm -f --
rm -f -- ${MANIFEST_FILE}
cd /
rmdir -- "$1" || [ ! -e "$1" ]`;

const GIVE_BACK = `
[ ! -e "$2" ] && [ ! -L "$2" ] || exit 0
mv -T -- "$1" "$2"
sync -- "$(dirname -- "$2")"
echo back`;
