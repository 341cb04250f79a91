import { appendFile, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/system/until.js';
import { run } from '../lab/run.js';
import { baselineOf, difference, isFailed, type Baseline } from './case.js';
import { BOTH, nothing, type Harm } from './harm.js';
import type { Errand, HostKind, Job, Scene } from './scene.js';
import { startScene } from './scenes/index.js';
import { LibvirtScene } from './scenes/libvirtScene.js';
import { VsphereScene } from './scenes/vsphereScene.js';
import { Suite } from './suite.js';

/*
 * That the suite can fail. Whatever a run holds is seen while it holds it; whatever is left over, damaged or taken from somebody
 * else on purpose is told.
 */

const PATIENCE_MS = 120_000;
/** For what will not go. */
const SHORT_PATIENCE_MS = 5000;

/** Looks at a run from its begin to its end, and returns everything that was seen of it. */
async function seenOf(
  scene: Scene,
  job: Job,
  number: number,
  baseline: Baseline,
): Promise<ReadonlySet<string>> {
  const errand = await scene.prepare(job, number, scene.everthaw.backups);
  const [command = '', ...args] = errand.command;
  const seen = new Set<string>();
  let isOver = false;
  const running = scene.everthaw.everthaw(command, ...args).finally(() => (isOver = true));
  const stopWatching = job.run === 'mount' ? scene.watch(errand) : undefined;
  while (!isOver) for (const line of difference(await scene.look(), baseline.held)) seen.add(line);
  // What is mounted stands when the command has ended.
  for (const line of difference(await scene.look(), baseline.held)) seen.add(line);
  await scene.heal();
  expect(await running).toMatchObject({ code: 0, ...(job.run === 'mount' ? {} : { stderr: '' }) });
  await until(
    async () => difference(await scene.look(), baseline.held).length === 0,
    AbortSignal.timeout(PATIENCE_MS),
  );
  expect(await stopWatching?.()).toEqual(stopWatching && { measured: {}, problems: [] });
  await scene.tidy(errand);
  return seen;
}

function jobOf(scene: Scene, name: string): Job {
  const job = scene.jobs.find((each) => each.name === name);
  if (job === undefined) throw new Error(`no job "${name}"`);
  return job;
}

/** A backup that succeeded, to damage. */
async function backup(scene: Scene): Promise<Errand> {
  const errand = await scene.prepare(jobOf(scene, scene.jobs[0]?.name ?? ''), 77, scene.everthaw.backups);
  await scene.heal();
  const [command = '', ...args] = errand.command;
  expect(await scene.everthaw.everthaw(command, ...args)).toMatchObject({ code: 0, stderr: '' });
  return errand;
}

/** Turns a byte in the middle of a file round. */
async function damage(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  const at = Math.floor((await handle.stat()).size / 2);
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
  await handle.write(Buffer.from([~buffer.readUInt8() & 0xff]), 0, 1, at);
  await handle.close();
}

const KINDS: Readonly<Record<HostKind, readonly string[]>> = {
  vsphere: [
    ...['lease', 'datastore', 'restore import', 'restore upload'],
    ...(process.getuid?.() === 0 ? ['mount', 'files'] : []),
  ],
  libvirt: ['pull', 'overlay', 'restore copy', ...(process.getuid?.() === 0 ? ['mount', 'files'] : [])],
};

/** What stands for less time than a look takes, most of the times, has tests of its own below. */
const TOO_SHORT: Readonly<Record<HostKind, readonly string[]>> = {
  vsphere: [],
  libvirt: ['pausedApplication', 'halfRestoredVm'],
};

for (const host of BOTH) {
  describe(`on ${host}`, () => {
    let scene: Scene;
    let baseline: Baseline;

    beforeAll(async () => {
      scene = await startScene(host);
      baseline = await baselineOf(scene);
    }, 300_000);

    afterAll(() => scene.stop());

    for (const [index, name] of KINDS[host].entries()) {
      it(
        `every kind of holding is seen while a run holds it: ${name}`,
        async () => {
          const seen = [...(await seenOf(scene, jobOf(scene, name), index + 1, baseline))];
          for (const { kind, job, pattern } of scene.holdings) {
            if (job !== name || TOO_SHORT[host].includes(kind)) continue;
            expect({ kind, isSeen: seen.some((line) => pattern.test(line)) }).toEqual({ kind, isSeen: true });
          }
        },
        PATIENCE_MS,
      );
    }

    it('what is left over on the proxy is told', async () => {
      const { everthaw } = scene;
      const mount = join(everthaw.directory, 'mount');
      await mkdir(mount);
      await mkdir(join(everthaw.backups, 'x.partial-1'));
      await writeFile(join(everthaw.scratch, 'forgotten'), '');
      await mkdir(join(everthaw.state, 'holdings/nbdServer'), { recursive: true });
      await writeFile(join(everthaw.state, 'holdings/nbdServer/1.json'), '{}');
      const orphan = spawn('sleep', ['60'], { env: everthaw.environment });
      const isRoot = process.getuid?.() === 0;
      if (isRoot) await run('mount', ['-t', 'tmpfs', 'tmpfs', mount]);
      const found = difference(await scene.look(), baseline.held);
      orphan.kill();
      await once(orphan, 'exit');
      if (isRoot) await run('umount', [mount]);
      await rm(join(everthaw.backups, 'x.partial-1'), { recursive: true });
      await rm(join(everthaw.scratch, 'forgotten'));
      await rm(join(everthaw.state, 'holdings/nbdServer/1.json'));
      expect([...found].sort()).toEqual(
        [
          `process /usr/bin/sleep (${orphan.pid ?? 0}): sleep 60`,
          'note state/holdings/nbdServer/1.json',
          'scratch file scratch/forgotten',
          'unfinished backup backups/x.partial-1',
          ...(isRoot ? [`mount ${mount}`] : []),
        ].sort(),
      );
    });

    it('wrong bytes of a backup are told', async () => {
      const errand = await backup(scene);
      expect(await scene.wrongBytes(errand)).toEqual([]);
      const names = host === 'vsphere' ? 'scsi0-0.vmdk' : 'virtio0-0.qcow2';
      await damage(join(errand.target, names));
      expect(await scene.wrongBytes(errand)).not.toEqual([]);
      await scene.tidy(errand);
    });

    it('a result of a run that did not succeed is told', async () => {
      const errand = await backup(scene);
      expect(await scene.results(errand)).toHaveLength(1);
      await scene.tidy(errand);
      expect(await scene.results(errand)).toEqual([]);
    });

    it('a touched older backup, and a touched file of somebody else, is told', async () => {
      const files = baseline.untouched.flatMap(
        (line) => /^(\S+\/(?:manifest\.json|\.everthaw-owner)) /.exec(line)?.[1] ?? [],
      );
      expect(files.length).toBeGreaterThanOrEqual(2);
      for (const file of files) {
        const before = await readFile(file);
        await appendFile(file, ' ');
        const told = difference(await scene.untouched(), baseline.untouched);
        expect(told).toContainEqual(expect.stringContaining(`${file} `));
        await writeFile(file, before);
      }
    });
  });
}

describe('a guest', () => {
  let scene: LibvirtScene;

  beforeAll(async () => {
    scene = await LibvirtScene.start();
  }, 300_000);

  afterAll(() => scene.stop());

  it('that is frozen is told', async () => {
    const watched = scene.watch({ job: jobOf(scene, 'pull'), target: '', vmName: 'writer', command: [] });
    await scene.guest.agent('guest-fsfreeze-freeze');
    expect(await scene.look()).toContain('"writer" is frozen');
    expect(await scene.unwell()).toEqual(['"writer" is frozen, as its superblock says']);
    await scene.guest.agent('guest-fsfreeze-thaw');
    expect((await watched()).measured['frozen']).toBeGreaterThan(0);
    expect(await scene.unwell()).toEqual([]);
  });

  it('that is half restored is told', async () => {
    const name = 'planted.restoring-12345678';
    const xml = join(scene.everthaw.directory, 'planted.xml');
    await writeFile(
      xml,
      `<domain type='qemu'><name>${name}</name><memory>10000</memory><os><type>hvm</type></os></domain>`,
    );
    await scene.libvirt.virsh('define', xml);
    expect(await scene.look()).toContain(`half-restored VM "${name}"`);
    await scene.libvirt.virsh('undefine', name);
  });

  it('whose application is paused is told', async () => {
    await scene.guest.exec('/usr/sbin/pre-freeze-script');
    expect(await scene.look()).toContain('the application of "writer" rests');
    expect(await scene.unwell()).toContainEqual(
      expect.stringMatching(/^no post-thaw script after: .*pre-freeze-script$/),
    );
    await scene.guest.exec('/usr/sbin/post-thaw-script');
    await until(async () => (await scene.unwell()).length === 0, AbortSignal.timeout(10_000));
  });
});

describe('a case', () => {
  let suite: Suite;
  afterAll(() => suite.stop());

  it('fails where something is left over', async () => {
    const sabotage: Harm = {
      name: 'sabotage',
      hosts: BOTH,
      when: 'at a moment',
      demand: 'released',
      async strike({ scene, vmName }) {
        if (scene instanceof VsphereScene)
          await scene.vcenter.govc('snapshot.create', '-vm', vmName, '-m=false', '_VCB_BACKUP_');
        return { told: 'leave a snapshot', mend: nothing };
      },
    };
    suite = new Suite(() => startScene('vsphere'), console.log, SHORT_PATIENCE_MS);
    const scene = await suite.scene();
    const moment = { at: 'step', type: 'settle', point: 'after', nth: 1, delayMs: 0 } as const;
    const verdict = await suite.run({
      seed: 1,
      job: jobOf(scene, 'lease'),
      harm: sabotage,
      moment,
      chances: [],
    });
    expect(isFailed(verdict)).toBe(true);
    expect(verdict.leftOver).toEqual(['snapshot "_VCB_BACKUP_" of VM "db"']);
  }, 300_000);
});
