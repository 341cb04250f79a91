import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import type { BackupResult } from '../../src/domain/runs.js';
import type { Manifest } from '../../src/domain/manifest.js';
import { readSettings } from '../../src/config/settings.js';
import { startEmbeddedServer } from '../../src/temporal/embeddedServer.js';
import { resolveTemporal } from '../../src/temporal/program.js';
import { LabGuest } from '../lab/guest.js';
import { GuestLab } from '../lab/guestLab.js';
import { ROOMY } from '../lab/guestMemory.js';
import { recordsOn } from '../lab/records.js';
import { run } from '../lab/run.js';

/*
 * `npm run soak:guest -- --runs 50`: backups in a row of a guest that writes all the time. Each is restored; the restored disks
 * are clean for fsck without a replay of the journal, hold records 1 to n and nothing else, the same n on both disks, and equal
 * byte for byte a copy that another program made of the VM's disks while Everthaw held them frozen.
 */

const { runs } = new Command('soak:guest')
  .description('back up and restore a guest that writes, many times, and compare every byte')
  .option('--runs <number>', 'how many backups', '50')
  .parse()
  .opts<{ readonly runs: string }>();

/**
 * A virsh that copies the VM's disks between the point in time and the thaw, whoever asks for both: what the driver asks for in one
 * call is done in two.
 */
const COPYING_VIRSH = `#!/bin/bash
real=REAL
for argument; do last=$argument; done
case $last in
  *"; domfsthaw "*)
    before=("\${@:1:$#-1}")
    "$real" "\${before[@]}" "\${last%; domfsthaw *}" || true
    for disk in DISKS; do cp --sparse=always "$disk" "REFERENCE/$(basename "$disk")"; done
    exec "$real" "\${before[@]}" "domfsthaw \${last##*; domfsthaw }" ;;
  *) exec "$real" "$@" ;;
esac
`;

const settings = readSettings();
const program = await resolveTemporal(
  { ...settings.temporal, cacheDirectory: settings.cacheDirectory },
  (line) => {
    console.log(line);
  },
);
const server = await startEmbeddedServer(
  { program, databaseFile: undefined, namespace: 'default', wishedPorts: { server: 0, ui: 0 } },
  AbortSignal.timeout(60_000),
);
const lab = await GuestLab.start({ address: server.address, namespace: 'default' });
let failures = 0;
try {
  const guest = await LabGuest.start(lab.libvirt, {
    name: 'soak',
    format: ['raw', 'raw'],
    sizes: ROOMY,
  });
  const reference = await copyAtThaw(guest);
  await guest.startWriter();
  let last = 0;
  for (let number = 1; number <= Number(runs); number++) {
    try {
      const { records, frozenAtMostMs } = await once(guest, reference);
      if (records < last) throw new Error(`the backup before it had ${last} records, it has ${records}`);
      last = records;
      console.log(
        `${number}: records 1 to ${records} on both disks, equal to the copy; frozen ${frozenAtMostMs} ms`,
      );
    } catch (error) {
      failures++;
      console.log(`${number}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
      // The next one begins as the first did.
      await lab.libvirt.tryVirsh('undefine', 'again');
      await rm(lab.directoryOf(guest.name), { recursive: true, force: true });
    }
  }
  await guest.destroy();
} finally {
  await lab.stop();
  server.process.kill('SIGTERM');
}
console.log(`backups ${runs}, failed ${failures}`);
process.exit(failures === 0 ? 0 : 1);

async function once(
  guest: LabGuest,
  reference: string,
): Promise<{ readonly records: number; readonly frozenAtMostMs: number }> {
  const directory = lab.directoryOf(guest.name);
  const backup = await lab.backup(guest.name, '--json');
  if (backup.code !== 0) throw new Error(backup.stderr + backup.stdout);
  const { consistency, frozenAtMostMs } = JSON.parse(
    backup.stdout.trim().split('\n').at(-1) ?? '',
  ) as BackupResult;
  if (consistency !== 'application') throw new Error(`it is ${consistency}-consistent`);
  const restored = await lab.restore(directory, '--name', 'again', '--new-addresses');
  if (restored.code !== 0) throw new Error(restored.stderr);
  const disks = await lab.disksOf('again');
  const { disks: kept } = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
  const counts: number[] = [];
  for (const [index, original] of guest.diskPaths.entries()) {
    const disk = disks[index] ?? '';
    const copy = join(reference, original.split('/').at(-1) ?? '');
    await run('qemu-img', ['compare', '-F', 'raw', disk, copy]);
    await run('qemu-img', ['compare', '-F', 'raw', join(directory, kept[index]?.file ?? ''), copy]);
    counts.push(await recordsOn(disk));
    await rm(copy);
  }
  if (counts[0] !== counts[1]) throw new Error(`records on the two disks: ${counts.join(', ')}`);
  const left = await lab.leftovers(guest);
  if (left.length > 0) throw new Error(`left over: ${left.join('; ')}`);
  await lab.libvirt.virsh('undefine', 'again');
  for (const disk of disks) await rm(disk);
  await rm(directory, { recursive: true });
  return { records: counts[0] ?? 0, frozenAtMostMs };
}

/** Puts the copying virsh before the real one on the worker's path. Returns where it copies to. */
async function copyAtThaw(guest: LabGuest): Promise<string> {
  const reference = join(lab.everthaw.directory, 'reference');
  const programs = join(lab.everthaw.directory, 'programs');
  await mkdir(reference);
  await mkdir(programs);
  const real = (await run('sh', ['-c', 'command -v virsh'])).stdout.trim();
  const script = COPYING_VIRSH.replace('REAL', real)
    .replace('DISKS', guest.diskPaths.join(' '))
    .replace('REFERENCE', reference);
  await writeFile(join(programs, 'virsh'), script);
  await chmod(join(programs, 'virsh'), 0o755);
  await lab.everthaw.killWorker();
  lab.everthaw.environment['PATH'] = `${programs}:${process.env['PATH'] ?? ''}`;
  await lab.everthaw.startWorker();
  return reference;
}
