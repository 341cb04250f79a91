import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { stringify } from 'yaml';
import { packageVersion } from '../../src/config/version.js';
import { jobWorkflowId, PERMITS_WORKFLOW_ID } from '../../src/domain/names.js';
import { eventually, Lab } from '../lab/lab.js';
import { LabTemporalServer } from '../lab/temporalServer.js';
import { makeLinuxDisk } from '../volumes/guestDisks.js';
import { HISTORIES, ROOT } from './histories.js';

/*
 * `npm run record-histories`, as root, before a release: the histories of a run of every kind, as this version makes them. What is recorded of
 * a released version stays; later ones have to replay it (replay.test.ts).
 */

const target = join(HISTORIES, packageVersion());
const images = await mkdtemp(join(tmpdir(), 'everthaw-histories-'));
const temporal = await LabTemporalServer.start();
const disk = await makeLinuxDisk(images);
const lab = await Lab.start(
  ['db', 'web'].map((name) => ({ name, disks: [{ ...disk, unit: 0 }] })),
  temporal.direct,
);
const { everthaw, client } = lab;

async function run(command: string, ...words: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await everthaw.everthaw(command, ...words);
  if (code !== 0) throw new Error(`${command} ${words.join(' ')}: ${stdout}${stderr}`);
}

try {
  const at = (name: string): string => join(everthaw.backups, name);
  const config = join(everthaw.directory, 'everthaw.yaml');
  await mkdir(at('nightly'));
  const job = { vms: ['any:'], root: at('nightly'), parallel: 2, keep: { last: 1 }, cron: '0 3 1 1 *' };
  await writeFile(config, stringify({ jobs: { nightly: job } }));
  await everthaw.endWorker();
  Object.assign(everthaw.environment, {
    EVERTHAW_CONFIG: config,
    // So that of two one waits.
    EVERTHAW_MOST_SNAPSHOTS_PER_DATASTORE: '1',
    EVERTHAW_SWEEP_EVERY_S: '3600',
  });
  await everthaw.startWorker();

  await run('backup', 'db', '--to', at('db'));
  await run('files', 'backup', 'db', '--root', everthaw.backups);
  await run('mount', 'db', '--to', at('mounted'));
  await run('unmount', at('mounted'));
  await run('restore', at('db'), '--name', 'copy');
  await run('jobs', 'apply', '--yes');
  await client.schedule.getHandle(jobWorkflowId('nightly')).trigger();
  await run('jobs', 'watch', 'nightly');
  await client.schedule.getHandle(`sweep/${everthaw.environment['EVERTHAW_PROXY'] ?? ''}`).trigger();
  const sweeps = () => client.workflow.count('WorkflowType="sweep" AND ExecutionStatus="Completed"');
  await eventually(async () => (await sweeps()).count > 0);
  await client.workflow.getHandle(PERMITS_WORKFLOW_ID).result();

  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  const count = new Map<string, number>();
  for await (const { type, workflowId, runId } of client.workflow.list()) {
    const n = (count.get(type) ?? 0) + 1;
    count.set(type, n);
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    // Nothing of this machine: where a failure came from, and who worked.
    const text = historyToJSON(history).replaceAll(ROOT, '/everthaw').replaceAll(`@${hostname()}`, '@lab');
    await writeFile(
      join(target, `${type}-${n}.json.gz`),
      gzipSync(JSON.stringify({ workflowId, history: JSON.parse(text) as unknown })),
    );
  }
  for (const [type, n] of count) console.log(`${type}: ${n}`);
} finally {
  await lab.stop();
  await temporal.stop();
  await rm(images, { recursive: true, force: true });
}
