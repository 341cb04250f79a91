import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readSettings } from '../../src/config/settings.js';
import { formatBytes, formatDuration } from '../../src/domain/format.js';
import { MANIFEST_FILE, type Manifest } from '../../src/domain/manifest.js';
import { DemoCli } from './demoCli.js';
import { LabGuest } from './guest.js';
import { LabLibvirt } from './libvirt.js';
import { recordsOn } from './records.js';
import { run } from './run.js';
import { Story } from './story.js';

/*
 * `npm run demo:guest`: a real guest under QEMU is backed up while its application writes, destroyed, restored and booted. What
 * it wrote before the point in time is there again, to the last record.
 */

const VM = 'orders';

const { cacheDirectory } = readSettings();
await mkdir(cacheDirectory, { recursive: true });
const directory = await mkdtemp(join(cacheDirectory, 'demo-'));
const backups = join(directory, 'backups');
await mkdir(backups);
const story = new Story();
let libvirt: LabLibvirt | undefined;
let cli: DemoCli | undefined;

try {
  await tell();
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await cli?.down().catch(() => undefined);
  await libvirt?.stop().catch(() => undefined);
  await rm(directory, { recursive: true, force: true });
}
process.exit();

async function tell(): Promise<void> {
  console.log('A real guest, backed up while it writes, lost, restored, booted, and its records counted.');
  const lab = await story.chapter('A libvirt of its own, and a guest that is running', async () => {
    libvirt = await LabLibvirt.start();
    return { libvirt, guest: await LabGuest.start(libvirt, { name: VM }) };
  });
  const { guest } = lab;
  const everthaw = new DemoCli(directory, lab.libvirt);
  cli = everthaw;
  await story.chapter('A Temporal server and a worker, detached from this terminal', () =>
    everthaw.run('up'),
  );

  await story.chapter('Its application writes numbered records to both disks, each fsynced', async () => {
    await guest.startWriter();
    story.line(`records that are safe on both disks: ${await guest.recordsWritten()}`);
  });

  await story.chapter('The backup, while it writes', () =>
    everthaw.run('backup', `name:${VM}`, '--root', backups),
  );
  const backup = join(backups, `${VM}-fullVM`);
  const manifest = JSON.parse(await readFile(join(backup, MANIFEST_FILE), 'utf8')) as Manifest;
  const kept = await story.chapter('What is in it, as fsck and debugfs see it', async () => {
    const counts = await Promise.all(manifest.disks.map(({ file }) => recordsOn(join(backup, file))));
    for (const [index, { label }] of manifest.disks.entries())
      story.line(`disk ${label}: clean without a replay of its journal, records 1 to ${counts[index] ?? 0}`);
    if (new Set(counts).size !== 1) throw new Error('the disks are not of one point in time');
    story.line(`${manifest.consistency}-consistent as of ${manifest.pointInTime}`);
    return counts[0] ?? 0;
  });

  await story.chapter('The VM is destroyed, with its disks, by virsh', async () => {
    await lab.libvirt.virsh('destroy', VM);
    await lab.libvirt.virsh('undefine', VM);
    for (const disk of guest.diskPaths) await rm(disk);
    story.line(`VMs that are left: ${(await lab.libvirt.virsh('list', '--all', '--name')).trim() || 'none'}`);
  });

  await story.chapter('The restore', () => everthaw.run('restore', backup, '--power-on'));

  await story.chapter('The restored VM has booted, and its application goes on', async () => {
    await guest.untilItAnswers();
    await guest.startWriter();
    const now = await guest.recordsWritten();
    story.line(`records: ${now}, of which 1 to ${kept} came from the backup`);
    if (now < kept) throw new Error('records are missing');
    await guest.powerOff();
    await run('qemu-img', ['check', (await guest.activeDisks())[0] ?? '']);
  });

  console.log('\nThe backup');
  story.line(backup);
  for (const name of (await readdir(backup)).sort())
    story.line(`  ${formatBytes((await stat(join(backup, name))).size).padStart(8)}  ${name}`);
  story.line('the disks are standard qcow2: qemu-img and libvirt read them without Everthaw');
  console.log(`\nDone in ${formatDuration(story.totalMs)}. All that it made is removed.`);
}
