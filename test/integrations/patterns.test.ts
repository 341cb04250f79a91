import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatListing, parseListing } from '../../src/integrations/listingFile.js';
import type { ModuleVolume } from '../../src/integrations/module.js';
import { isMatch, rcloneExcludes, resticExcludes, tarExcludes } from '../../src/integrations/patterns.js';
import { parseMember } from '../../src/integrations/reading/archiveMembers.js';
import { kindIn, treeStateOf } from '../../src/integrations/reading/treeState.js';
import { refuseWish } from '../../src/integrations/refuseWish.js';
import { selectionsOf } from '../../src/integrations/selection.js';
import { tar } from '../../src/integrations/tar.js';

const volume = (name: string, fileSystem = 'ext4'): ModuleVolume => ({
  ...{ id: `scsi0:0${name}`, name, fileSystem, directory: `/mnt/vm${name}` },
});

/** What is taken of each volume: its name, paths, excluded paths and names. */
function chosen(
  volumes: readonly ModuleVolume[],
  include: readonly string[],
  exclude: readonly string[] = [],
) {
  return selectionsOf(volumes, include, exclude).map(({ volume: { name }, paths, excludes }) => [
    name,
    paths.map((steps) => steps.join('/')),
    excludes.paths.map((steps) => steps.join('/')),
    excludes.names,
  ]);
}

const WINDOWS = [volume('C:', 'ntfs'), volume('D:', 'ntfs')];
const LINUX = [volume('/'), volume('/srv'), volume('/srv/data'), volume('/var/lib/app')];

describe('patterns in the guest’s own words', () => {
  it('choose all of every volume where nothing is said', () => {
    expect(chosen(LINUX, []).map(([name, paths]) => [name, paths])).toEqual(
      LINUX.map(({ name }) => [name, []]),
    );
  });

  it('choose by drive letters, in any case and with either slash', () => {
    expect(chosen(WINDOWS, ['d:\\Data\\Mail', 'D:/Web', 'c:'])).toEqual([
      ['C:', [], [], []],
      ['D:', ['Data/Mail', 'Web'], [], []],
    ]);
  });

  it('choose with a directory the volumes that the guest mounts below it', () => {
    expect(chosen(LINUX, ['/srv', '/var/lib'])).toEqual([
      ['/', ['var/lib'], [], []],
      ['/srv', [], [], []],
      ['/srv/data', [], [], []],
      ['/var/lib/app', [], [], []],
    ]);
  });

  it('choose each thing once, though it lies within another', () => {
    expect(chosen(LINUX, ['/etc/app', '/etc', '/etc', '/etcetera'])).toEqual([
      ['/', ['etc', 'etcetera'], [], []],
    ]);
    expect(chosen(LINUX, ['/etc', '/'])[0]).toEqual(['/', [], [], []]);
  });

  it('exclude names everywhere, paths where they are, and whole volumes with what is mounted in them', () => {
    expect(chosen(LINUX, [], ['*.tmp', '/srv', '/var/lib/app/c*he', '/elsewhere'])).toEqual([
      ['/', [], ['elsewhere'], ['*.tmp']],
      ['/var/lib/app', [], ['c*he'], ['*.tmp']],
    ]);
    expect(chosen(WINDOWS, ['D:\\Data', 'C:\\Users'], ['d:\\DATA', 'E:\\'])).toEqual([
      ['C:', ['Users'], [], []],
    ]);
  });

  it('are refused where they mean nothing, or leave nothing', () => {
    for (const [include, exclude, why] of [
      [['*.doc'], [], 'it is neither a whole path nor a name'],
      [['/srv/*'], [], 'what is included is a path, and no pattern'],
      [['/srv/../etc'], [], 'a path goes downwards only'],
      [['/srv\n/etc'], [], 'a pattern is one line'],
      [[], ['data/cache'], 'it is neither a whole path nor a name'],
      [[], [''], 'it is empty'],
      [['/srv'], ['/srv'], 'all that is included is excluded'],
      [['/srv/cache/x'], ['c*'], 'all that is included is excluded'],
    ] as const)
      expect(() => {
        refuseWish({ module: tar, kind: 'full', include, exclude });
        selectionsOf(LINUX, include, exclude);
      }, why).toThrow(why);
  });

  it('are written for tar, restic and rclone so that each means by them what was meant', () => {
    const excludes = {
      paths: [['a b', '*', '[x]$HOME']],
      names: ['*.tmp', '#old', ' blank ', '!not', '{y}\\z'],
    };
    expect(tarExcludes(excludes)).toEqual({
      anchored: './a b/*/\\[x\\]$HOME\n',
      floating: '*.tmp\n#old\n blank \n!not\n{y}\\\\z\n',
    });
    expect(resticExcludes(excludes, '/mnt/v[m]')).toBe(
      '/mnt/v\\[m\\]/a b/*/\\[x\\]$$HOME\n*.tmp\n[#]old\n[ ]blank[ ]\n[!]not\n{y}\\\\z\n',
    );
    expect(rcloneExcludes(excludes, ['a b', 'c'])).toBe(
      [
        ...['/\\[x\\]$HOME', '/\\[x\\]$HOME/**', '*.tmp', '*.tmp/**', '{#}old', '{#}old/**'],
        ...['{ }blank ', '{ }blank /**', '!not', '!not/**', '\\{y\\}\\\\z', '\\{y\\}\\\\z/**', ''],
      ].join('\n'),
    );
  });

  it('match names as whole, whatever characters they have', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (one, other) => {
        const plain = one.replace(/[*?]/g, '');
        expect(isMatch(plain, plain)).toBe(true);
        expect(isMatch(`${plain}*`, plain + other)).toBe(true);
        expect(isMatch(plain, `${plain}x`)).toBe(false);
      }),
    );
  });
});

describe('what GNU tar writes', () => {
  const LISTING = Buffer.concat([
    Buffer.from(
      'GNU tar-1.34-2\n1795443240\x00926073215\x000\x001\x002\x0065024\x0077\x00.\x00Da\x00Yb',
      'latin1',
    ),
    Buffer.from([0xff]),
    Buffer.from('\x00\x00\x000\x001\x002\x0065024\x0078\x00./a\x00\x00\x00', 'latin1'),
  ]);

  it('as a listing is read and written again to the same bytes', () => {
    const listing = parseListing(LISTING);
    expect(listing.directories.map(({ name, entries }) => [name, entries.length])).toEqual([
      ['.', 2],
      ['./a', 0],
    ]);
    expect(formatListing(listing)).toEqual(LISTING);
  });

  it('as a listing is refused wherever it is cut off', () => {
    for (let length = 0; length < LISTING.length; length++) {
      const cut = LISTING.subarray(0, length);
      // Whole directories may be missing: that is told by its hash.
      try {
        expect(formatListing(parseListing(cut))).toEqual(cut);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        expect((error as Error).message).toMatch(/^(?:it|a directory) /);
      }
    }
  });

  it('tells what stood where, with the paths above what alone was backed up', () => {
    const state = treeStateOf(parseListing(LISTING), []);
    expect(['', 'a', 'b\xff', 'c'].map((path) => kindIn(state, path))).toEqual([
      'directory',
      'directory',
      'file',
      undefined,
    ]);
    const part = treeStateOf({ version: '', since: { seconds: '0', nanoseconds: '0' }, directories: [] }, [
      'etc/ä',
    ]);
    expect([kindIn(part, 'etc'), kindIn(part, 'etc/\xc3\xa4')]).toEqual(['directory', 'file']);
  });

  it('of an archive’s members is read with every name', () => {
    const line = 'drwxr-sr-t 0/100 0 2021-03-04 05:06:08.123456789 "./with\\nline \\377 \\"q\\" ü/"';
    expect(parseMember(line)).toMatchObject({
      ...{ path: 'with\nline \xff "q" \xc3\xbc', type: 'd', mode: 0o3755, gid: 100 },
      modified: '2021-03-04T05:06:08.123Z',
    });
    expect(parseMember('lrwxrwxrwx 0/0 0 2021-03-04 05:06:08          "./a -> b" -> "c"')).toMatchObject({
      path: 'a -> b',
      target: 'c',
    });
    expect(parseMember('brw-rw---- 0/6 8,1 2021-03-04 05:06:08 "./sda1"')).toMatchObject({ type: 'b' });
    expect(parseMember('N name')).toBeUndefined();
  });
});
