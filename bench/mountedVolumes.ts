import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unmountBelow } from '../src/mounts/mountTable.js';
import { until } from '../src/system/until.js';
import { serveImages, type ImageServer } from '../src/volumes/imageServer.js';
import { mountVolume } from '../src/volumes/mountVolume.js';
import { findAllVolumes } from '../src/volumes/readVolumes.js';
import { runTool } from '../src/volumes/tool.js';
import type { ImageDisk, Volume } from '../src/volumes/volume.js';
import { run } from '../test/lab/run.js';
import { makeManyVolumes } from '../test/volumes/guestDisks.js';
import { makeExt4, MIB } from '../test/volumes/images.js';
import type { BenchLab } from './benchLab.js';
import { atLeast, atMost, type Figure, type Row } from './figure.js';
import { inPairs, seconds } from './pairs.js';
import { spreadOf } from './statistics.js';

const VOLUMES = 10;
const FILE_MIB = 800;
const PATIENCE_MS = 30_000;

/** What other software gets: how long until it may read, and how fast. */
export const mountedVolumes: Figure = {
  name: 'mounts',
  title: 'volumes of a disk over NBD, mounted as everthaw mount does it',
  async measure(_lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const directory = await mkdtemp(join(tmpdir(), 'everthaw-mounts-'));
    try {
      return [await ready(directory, runs), await reading(directory, runs)];
    } finally {
      await unmountBelow(directory);
      await rm(directory, { recursive: true });
    }
  },
};

/** From an NBD export to volumes with names that can be read: the keeper's whole work. */
async function ready(directory: string, runs: number): Promise<Row> {
  const { raw } = await makeManyVolumes(directory, VOLUMES);
  const export_ = await serveNbd(raw, join(directory, 'many.sock'), VOLUMES + 2);
  const each: number[] = [];
  try {
    for (let n = 0; n < runs; n++) {
      const at = join(directory, `ready-${n}`);
      await mkdir(at);
      const taken = await seconds(async () => {
        const { volumes } = await findAllVolumes([export_.image], join(directory, 'scratch'));
        await mounted(
          export_.image,
          volumes.filter(({ refusal }) => refusal === undefined),
          at,
        );
      });
      each.push(taken / VOLUMES);
      await unmountBelow(at);
    }
  } finally {
    export_.stop();
  }
  const ours = spreadOf(each);
  return { what: 'mounted and ready, a volume', ours, unit: 's', wanted: atMost(1, 's', ours.median) };
}

/** A file through all layers, and by the same file system's program on the image itself. */
async function reading(directory: string, runs: number): Promise<Row> {
  const tree = join(directory, 'tree');
  await mkdir(tree);
  await run('dd', ['if=/dev/urandom', `of=${join(tree, 'file')}`, 'bs=1M', `count=${FILE_MIB}`]);
  const raw = join(directory, 'big.raw');
  const sizeMib = FILE_MIB + 200;
  await makeExt4(raw, sizeMib, tree);
  await rm(tree, { recursive: true });
  const export_ = await serveNbd(raw, join(directory, 'big.sock'), sizeMib);
  const volume: Volume = {
    ...{ id: 'scsi0:0', disk: 'scsi0:0', offsetBytes: 0, sizeBytes: sizeMib * MIB },
    fileSystem: 'ext4',
  };
  let count = 0;
  const place = async (): Promise<string> => {
    const at = join(directory, `read-${count++}`);
    await mkdir(at);
    return at;
  };
  const timed = async (at: string, mount: () => Promise<string>): Promise<number> => {
    try {
      const root = await mount();
      return await seconds(() => run('dd', [`if=${join(root, 'file')}`, 'of=/dev/null', 'bs=1M']));
    } finally {
      await unmountBelow(at);
    }
  };
  try {
    const { ours, reference, ratio } = await inPairs(
      runs,
      async () => {
        const at = await place();
        return timed(at, async () => (await mounted(export_.image, [volume], at))[0] ?? '');
      },
      async () => {
        const at = await place();
        return timed(at, async () => {
          const args = ['-o', 'ro,norecovery,fakeroot', raw, at];
          await runTool({ program: 'fuse2fs', args, what: 'mount the image' });
          return at;
        });
      },
    );
    const wanted = atLeast(0.9, ratio);
    return { what: `reading ${FILE_MIB} MiB through a mount`, ours, reference, ratio, unit: 's', wanted };
  } finally {
    export_.stop();
  }
}

/** Mounts volumes as the keeper does. What it starts ends when its mounts are taken away. */
async function mounted(image: ImageDisk, volumes: readonly Volume[], at: string): Promise<readonly string[]> {
  const parts = join(at, 'parts');
  await mkdir(parts);
  const shown = volumes.map(({ offsetBytes, sizeBytes }, n) => ({
    image,
    offsetBytes,
    sizeBytes,
    name: String(n),
  }));
  servers.push(await serveImages(shown, parts, 'the machine'));
  const roots: string[] = [];
  for (const [n, volume] of volumes.entries()) {
    const root = join(at, `volume-${n}`);
    await mkdir(root);
    const done = await mountVolume(volume, join(parts, String(n)), root, 'the machine');
    if (typeof done === 'string') throw new Error(`volume ${volume.id}: ${done}`);
    roots.push(done.directory);
  }
  return roots;
}

const servers: ImageServer[] = [];

/** As a host serves a disk. */
async function serveNbd(raw: string, socket: string, sizeMib: number) {
  const args = ['--read-only', '--persistent', '--shared=8', '-f', 'raw', '-k', socket, raw];
  const child = spawn('qemu-nbd', args, { stdio: 'ignore' });
  const isThere = () => run('test', ['-S', socket], { mayFail: true }).then(({ code }) => code === 0);
  await until(isThere, AbortSignal.timeout(PATIENCE_MS));
  const image: ImageDisk = { label: 'scsi0:0', capacityBytes: sizeMib * MIB, socket, exportName: '' };
  return {
    image,
    stop: (): void => {
      child.kill();
      for (const server of servers.splice(0)) void server.stop();
    },
  };
}
