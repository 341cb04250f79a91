import type { Client } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../domain/names.js';

/** How long the server remembers closed runs: as long as something of theirs could still come to light. */
const RETENTION_SECONDS = 35 * 24 * 3600;

const KEYWORD = 2;

/** Makes a namespace fit for us: search attributes that the UI filters by, and a memory of closed runs. */
export async function prepareNamespace(client: Client, namespace: string): Promise<void> {
  const { connection } = client;
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.values(SEARCH_ATTRIBUTES).filter((name) => !(name in customAttributes));
  if (missing.length > 0) {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
    });
  }
  const { config } = await client.workflowService.describeNamespace({ namespace });
  const seconds = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
  if (seconds < RETENTION_SECONDS) {
    await client.workflowService.updateNamespace({
      namespace,
      config: { workflowExecutionRetentionTtl: { seconds: RETENTION_SECONDS as never } },
    });
  }
}
