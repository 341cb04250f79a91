import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { END_SIGNAL } from '../../src/domain/names.js';
import { run } from '../lab/run.js';
import type { Watched } from './scene.js';

const LOOK_MS = 100;
/** So long other software takes: time enough to be hit in it. */
const READS_MS = 2500;
const READ_PATIENCE_S = 20;

/**
 * Other software: as soon as a run says that volumes are mounted it reads all of them, more than once, and says that it is done with them. Whether what it
 * read was right it does not ask: the run has to see that by itself, and must not succeed where it was not. Where nothing is expected, it has to be the same each
 * time.
 */
export function readMounted(client: Client, directory: string, expected?: string): () => Promise<Watched> {
  const over = new AbortController();
  const wrong: string[] = [];
  let last: WorkflowHandle | undefined;
  const reading = read();
  return async () => {
    over.abort();
    await reading;
    const succeeded = wrong.length > 0 && (await last?.describe())?.status.name === 'COMPLETED';
    return { measured: {}, problems: succeeded ? wrong : [] };
  };

  async function read(): Promise<void> {
    let since: number | undefined;
    let right = expected;
    while (!over.signal.aborted) {
      await sleep(LOOK_MS);
      const handle = await standing(client);
      if (handle === undefined) continue;
      since ??= Date.now();
      last = handle;
      const seen = await contentsOf(directory);
      if (seen === undefined) continue;
      right ??= seen;
      if (seen !== right) wrong.push(`mounted files have other bytes: ${seen}`);
      if (Date.now() - since < READS_MS) continue;
      const isTold = await handle.signal(END_SIGNAL).then(
        () => true,
        () => false,
      );
      if (isTold) return;
    }
  }
}

/** The run that says that its volumes are mounted. */
async function standing(client: Client): Promise<WorkflowHandle | undefined> {
  try {
    const query = 'ExecutionStatus="Running" AND WorkflowType="mountVm"';
    for await (const { workflowId, runId } of client.workflow.list({ query })) {
      const handle = client.workflow.getHandle(workflowId, runId);
      const { raw } = await handle.describe();
      const steps = (raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name);
      if (steps.includes('watchMounts')) return handle;
    }
  } catch {
    // The server is away: it is asked again.
  }
  return undefined;
}

/** Every file below a directory with its hash, by programs that can be given up; nothing where not all can be read. */
export async function contentsOf(directory: string): Promise<string | undefined> {
  const script = 'cd "$1" && find . -type f ! -name .everthaw-owner -print0 | sort -z | xargs -0r sha256sum';
  const words = [
    '-s',
    'KILL',
    String(READ_PATIENCE_S),
    'bash',
    '-o',
    'pipefail',
    '-ec',
    script,
    'bash',
    directory,
  ];
  const { code, stdout } = await run('timeout', words, { mayFail: true });
  return code === 0 ? stdout : undefined;
}
