import type { Client } from '@temporalio/client';
import { EverthawError, messageOf } from '../domain/errors.js';
import { BYTES_ATTRIBUTE, SEARCH_ATTRIBUTES } from '../domain/names.js';

/** How long the server remembers closed runs: as long as something of theirs could still come to light. */
const RETENTION_SECONDS = 35 * 24 * 3600;

/** As Temporal counts the types of search attributes. */
const KEYWORD = 2;
const INT = 3;

const TYPES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Object.values(SEARCH_ATTRIBUTES).map((name) => [name, KEYWORD])),
  [BYTES_ATTRIBUTE]: INT,
};

/** Makes a namespace fit for us: search attributes that the UI filters by, and a memory of closed runs. */
export async function prepareNamespace(client: Client, namespace: string): Promise<void> {
  await addSearchAttributes(client, namespace);
  const { config } = await client.workflowService.describeNamespace({ namespace });
  const seconds = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
  if (seconds < RETENTION_SECONDS) {
    await client.workflowService.updateNamespace({
      namespace,
      config: { workflowExecutionRetentionTtl: { seconds: RETENTION_SECONDS as never } },
    });
  }
}

/**
 * Adds those that the namespace has not yet, as after an upgrade: a run that sets one that is not there would never end.
 *
 * @throws EverthawError WrongUsage where some are missing that may not be added
 */
export async function addSearchAttributes(
  { connection: { operatorService } }: Pick<Client, 'connection'>,
  namespace: string,
): Promise<void> {
  const findMissing = async () => {
    const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
    return Object.entries(TYPES).filter(([name]) => !(name in customAttributes));
  };
  const missing = await findMissing();
  if (missing.length === 0) return;
  try {
    await operatorService.addSearchAttributes({ namespace, searchAttributes: Object.fromEntries(missing) });
  } catch (error) {
    // Another worker may have been faster.
    const left = await findMissing();
    if (left.length === 0) return;
    throw new EverthawError({
      code: 'WrongUsage',
      what: `use the namespace "${namespace}"`,
      why: `search attributes are missing (${left.map(([name]) => name).join(', ')}), and cannot be added: ${messageOf(error)}`,
      hint: 'let whoever may add them: temporal operator search-attribute create (docs/jobs.md)',
    });
  }
}
