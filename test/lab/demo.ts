import { mkdir, mkdtemp, readdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { stateDirectories } from '../../src/config/directories.js';
import { readSettings } from '../../src/config/settings.js';
import { formatBytes, formatDuration } from '../../src/domain/format.js';
import { MANIFEST_FILE, type Manifest } from '../../src/domain/manifest.js';
import { findDaemon } from '../../src/temporal/daemon.js';
import { DemoCli } from './demoCli.js';
import { makeDisk } from './disks.js';
import { run } from './run.js';
import { Story } from './story.js';
import { LabVcenter } from './vcenter.js';

/*
 * `npm run demo`: the main job in one go, told as a story, with what a user would type. `--keep` leaves all of it up.
 */

const VM = 'fileserver';
const MIB = 1024 ** 2;
/** Disks of the lab and a copy, the backup, and what is restored; measured, and a half more. */
const SPACE_BYTES = 3000 * MIB;

const isKept = process.argv.includes('--keep');
const settings = readSettings();
await mkdir(settings.cacheDirectory, { recursive: true });
await requireSpace(settings.cacheDirectory);
const directory = await mkdtemp(join(settings.cacheDirectory, 'demo-'));
const backups = join(directory, 'backups');
await mkdir(backups);

const story = new Story();
let lab: LabVcenter | undefined;
let everthaw: DemoCli | undefined;
const interrupt = new AbortController();
process.once('SIGINT', () => {
  // The terminal told the running step too: it fails, and what follows is the clean-up below.
  interrupt.abort();
});

try {
  await tell();
} catch (error) {
  await everthaw?.down().catch(() => undefined);
  await lab?.stop().catch(() => undefined);
  if (interrupt.signal.aborted) {
    await rm(directory, { recursive: true, force: true });
    console.log('\nInterrupted: everything that the demo made is removed.');
    process.exit(130);
  }
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  console.error(
    `Server, worker and lab are stopped. What they wrote is in ${directory}; the daemon's log is state/daemon/daemon.log there.`,
  );
  process.exit(1);
}

async function tell(): Promise<void> {
  console.log('Everthaw’s main job: back up a VM, lose it, restore it, and compare every byte.');

  const vcenter = await story.chapter('A vCenter with three VMs that are running', () => startLab());
  lab = vcenter;
  const cli = new DemoCli(directory, vcenter);
  everthaw = cli;

  const uiUrl = await story.chapter('A Temporal server and a worker, detached from this terminal', () =>
    startServer(cli),
  );

  // Compared rather than hashed: 4 GiB through TLS and SHA-256, twice, would take longer than all the rest.
  const before = join(directory, 'disk-before.raw');
  await run('cp', ['--sparse=always', '--reflink=auto', await vcenter.diskFile(VM), before]);

  await story.chapter('The backup', () => cli.run('backup', `name:${VM}`, '--root', backups));
  const backup = join(backups, `${VM}-fullVM`);
  const manifest = JSON.parse(await readFile(join(backup, MANIFEST_FILE), 'utf8')) as Manifest;

  await story.chapter('The VM is destroyed, by govc', async () => {
    await vcenter.govc('vm.destroy', VM);
    story.line(`VMs that are left: ${(await vcenter.vms()).map(({ name }) => name).join(', ')}`);
  });

  await story.chapter('The restore', () => cli.run('restore', backup));

  await story.chapter('The proof: qemu-img compares the restored disk with a copy from before', async () => {
    const after = await vcenter.diskFile(VM);
    const sizes = [(await stat(before)).size, (await stat(after)).size];
    if (sizes[0] !== sizes[1]) throw new Error(`the restored disk has another size: ${sizes.join(', now ')}`);
    console.log(`   $ qemu-img compare -f raw -F raw ${before} ${after}`);
    story.line((await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', before, after])).stdout.trim());
    story.line(`all ${formatBytes(sizes[0] ?? 0)} are what they were`);
  });

  console.log('\nThe backup');
  story.line(backup);
  for (const name of (await readdir(backup)).sort()) {
    story.line(`  ${formatBytes((await stat(join(backup, name))).size).padStart(8)}  ${name}`);
  }
  story.line(`consistency: ${manifest.consistency}, as of ${manifest.pointInTime}`);
  story.line('the disk is a standard VMDK: qemu-img and vSphere read it without Everthaw');

  if (isKept) await leaveUp(cli, vcenter, uiUrl);
  else await removeAll(cli, vcenter);
  console.log(`\nDone in ${formatDuration(story.totalMs)}.`);
  process.exit(0);
}

async function startServer(cli: DemoCli): Promise<string> {
  await cli.run('up');
  const daemon = await findDaemon(stateDirectories({ stateDirectory: cli.stateDirectory }).daemon);
  return `${daemon?.uiUrl ?? ''}/namespaces/default/workflows`;
}

async function startLab(): Promise<LabVcenter> {
  const slow = setTimeout(() => {
    story.line('its disks are made now, and kept for the next start; this takes about 20 s …');
  }, 1000);
  const large = await makeDisk('files', 4096, 320);
  const system = await makeDisk('system', 256, 24);
  const data = await makeDisk('data', 64, 8);
  clearTimeout(slow);
  const vcenter = await LabVcenter.start(
    [
      { name: VM, disks: [{ ...large, unit: 0 }] },
      {
        name: 'database',
        disks: [
          { ...system, unit: 0 },
          { ...data, unit: 1 },
        ],
      },
      { name: 'web', disks: [{ ...system, unit: 0 }], ip: '10.0.0.7' },
    ],
    [],
    { parent: directory, outlives: isKept },
  );
  story.line(`${vcenter.ready.url}, VMware's own simulator of its API, with real disks:`);
  story.line(`  ${VM.padEnd(10)}  4 GiB, with 320 MiB of files in ext4`);
  story.line(`  ${'database'.padEnd(10)}  256 MiB and 64 MiB`);
  story.line(`  ${'web'.padEnd(10)}  256 MiB`);
  return vcenter;
}

async function leaveUp(cli: DemoCli, vcenter: LabVcenter, uiUrl: string): Promise<void> {
  const file = await cli.writeEnvironment(vcenter.leave());
  console.log('\nAll is left up');
  story.line(`Temporal UI: ${uiUrl}`);
  story.line(`go on with:  . ${file}`);
  story.line(`             everthaw status`);
  story.line(`             everthaw backup name:database --root ${backups}`);
  story.line('end it with: end_demo');
}

async function removeAll(cli: DemoCli, vcenter: LabVcenter): Promise<void> {
  await story.chapter('Server, worker and lab are stopped, and what they wrote is removed', async () => {
    await cli.down();
    await vcenter.stop();
    await rm(directory, { recursive: true, force: true });
  });
  story.line('to see all of it in the Temporal UI, and to play on: npm run demo -- --keep');
}

async function requireSpace(place: string): Promise<void> {
  const { bavail, bsize } = await statfs(place);
  if (bavail * bsize >= SPACE_BYTES) return;
  console.error(
    `The demo needs ${formatBytes(SPACE_BYTES)}, and ${place} has ${formatBytes(bavail * bsize)}. Free some, or set EVERTHAW_CACHE to another place.`,
  );
  process.exit(1);
}
