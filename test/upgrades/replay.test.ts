import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { BUNDLE_FILE } from '../../src/temporal/bundle.js';
import * as workflows from '../../src/workflows/index.js';
import { HISTORIES } from './histories.js';

interface Recorded {
  readonly workflowId: string;
  readonly history: {
    readonly events: readonly {
      readonly eventType: string;
      activityTaskScheduledEventAttributes?: { activityType: { name: string } };
    }[];
  };
}

const recordedIn = async (directory: string, file: string): Promise<Recorded> =>
  JSON.parse(gunzipSync(await readFile(join(directory, file))).toString()) as Recorded;

const replay = ({ workflowId, history }: Recorded): Promise<void> =>
  Worker.runReplayHistory({ workflowBundle: { codePath: BUNDLE_FILE } }, history, workflowId);

// It says of each history that a worker began and ended.
Runtime.install({ logger: new DefaultLogger('WARN') });

const versions = await readdir(HISTORIES);

describe.each(versions)('runs that version %s began', (version) => {
  const directory = join(HISTORIES, version);

  it('are gone on with: their recorded histories are replayed by the workflows as they are now', async () => {
    const files = await readdir(directory);
    // A version knows as many kinds as it had.
    if (version === versions.at(-1))
      expect(new Set(files.map((file) => file.split('-')[0]))).toEqual(new Set(Object.keys(workflows)));
    for (const file of files) await replay(await recordedIn(directory, file));
  });

  it('would not be, where a workflow did something else: that is noticed', async () => {
    const recorded = await recordedIn(directory, 'backupVm-1.json.gz');
    const transfer = recorded.history.events.find(
      ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType.name === 'transfer',
    )?.activityTaskScheduledEventAttributes;
    expect(transfer).toBeDefined();
    if (transfer !== undefined) transfer.activityType.name = 'moveDisk';
    await expect(replay(recorded)).rejects.toThrow(/[Nn]ondeterminism/);
  });
});
