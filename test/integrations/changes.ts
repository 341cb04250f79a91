import {
  appendFile,
  chmod,
  link,
  mkdir,
  rename,
  rm,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';

/** Changes of a guest's, one after the other: each leaves something behind that an archive or a snapshot could get wrong. */
export const CHANGES: readonly ((tree: string) => Promise<void>)[] = [
  async (tree) => {
    await writeFile(join(tree, 'srv/data/new'), 'new');
    await appendFile(join(tree, 'srv/data/plain'), 'more');
    await unlink(join(tree, 'srv/data/many'));
    await mkdir(join(tree, 'srv/deep/er'), { recursive: true });
    await writeFile(join(tree, 'srv/deep/er/file'), 'deep');
  },
  async (tree) => {
    // A directory takes another's name, and a file another's place, with times of long ago.
    await rename(join(tree, 'srv/deep'), join(tree, 'srv/renamed'));
    await rename(join(tree, 'srv/data/日本語 ü'), join(tree, 'srv/data/with\nnewline'));
    await utimes(join(tree, 'srv/data/new'), 1, 1);
  },
  async (tree) => {
    // What was a directory is a link now, and the other way round.
    await rm(join(tree, 'srv/renamed'), { recursive: true });
    await symlink('/etc', join(tree, 'srv/renamed'));
    await unlink(join(tree, 'srv/data/absolute'));
    await mkdir(join(tree, 'srv/data/absolute'));
    await writeFile(join(tree, 'srv/data/absolute/passwd'), 'of the guest');
    await chmod(join(tree, 'srv/data'), 0o700);
  },
  async (tree) => {
    await unlink(join(tree, 'srv/renamed'));
    await mkdir(join(tree, 'srv/renamed'));
    await writeFile(join(tree, 'srv/renamed/again'), 'a directory again');
    await link(join(tree, 'srv/data/new'), join(tree, 'srv/renamed/third name'));
    await rename(join(tree, 'srv/data'), join(tree, 'srv/moved'));
  },
  async (tree) => {
    await rm(join(tree, 'srv/moved'), { recursive: true });
    await writeFile(join(tree, 'srv/last'), '');
  },
];
