import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/system/until.js';
import { findAllVolumes } from '../../src/volumes/readVolumes.js';
import type { ImageDisk } from '../../src/volumes/volume.js';
import { makeExt4, makeTree } from './images.js';

const IS_ROOT = process.getuid?.() === 0;
const SIZE_MIB = 24;

describe.skipIf(!IS_ROOT)(
  `volumes of disks that others serve${IS_ROOT ? '' : ' (SKIPPED: mounting needs root)'}`,
  () => {
    let directory: string;
    const servers: ChildProcess[] = [];

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'everthaw-served-'));
      await makeTree(join(directory, 'tree'));
      await makeExt4(join(directory, 'good.img'), SIZE_MIB, join(directory, 'tree'));
      await writeFile(join(directory, 'wiped.img'), Buffer.alloc(SIZE_MIB * 1024 * 1024));
    });

    afterAll(async () => {
      for (const server of servers) {
        server.kill();
        if (server.exitCode === null) await once(server, 'exit');
      }
      await rm(directory, { recursive: true, force: true });
    });

    /** A disk that nbdkit serves, which fails as soon as a file of that name is there. */
    async function served(image: string, label: string): Promise<ImageDisk & { readonly failure: string }> {
      const socket = join(directory, `${label}.sock`);
      const failure = join(directory, `${label}.fails`);
      servers.push(
        spawn(
          'nbdkit',
          [
            ...['--foreground', '--readonly', '--unix', socket, '--filter=error', 'file'],
            ...[join(directory, image), 'error=EIO', 'error-rate=100%', `error-file=${failure}`],
          ],
          { stdio: 'ignore' },
        ),
      );
      const isThere = () =>
        access(socket).then(
          () => true,
          () => false,
        );
      await until(isThere, AbortSignal.timeout(20_000));
      return { label, capacityBytes: SIZE_MIB * 1024 * 1024, socket, exportName: '', failure };
    }

    it('are found, and one without any is no failure', async () => {
      const [good, wiped] = [await served('good.img', 'scsi0:0'), await served('wiped.img', 'scsi0:1')];
      expect(await findAllVolumes([good, wiped], join(directory, 'scratch'))).toMatchObject({
        volumes: [{ id: 'scsi0:0', fileSystem: 'ext4' }],
        disks: [{ disk: 'scsi0:1', refusal: 'it has neither partitions nor a file system that is known' }],
      });
    });

    it('are not taken for missing where one of the disks cannot be read', async () => {
      const [good, bad] = [await served('good.img', 'scsi1:0'), await served('good.img', 'scsi1:1')];
      await writeFile(bad.failure, '');
      await expect(findAllVolumes([good, bad], join(directory, 'scratch'))).rejects.toMatchObject({
        message: expect.stringContaining('look at disk scsi1:1: the disk cannot be read: ') as string,
        retry: 'again',
      });
    });
  },
);
