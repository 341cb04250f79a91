import { Client, Connection } from '@temporalio/client';
import { EverthawError, messageOf } from '../domain/errors.js';

export interface TemporalAddress {
  readonly address: string;
  readonly namespace: string;
}

/** Connects to a Temporal server. @throws EverthawError HostUnreachable */
export async function connectClient({ address, namespace }: TemporalAddress): Promise<Client> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: 10_000 });
    return new Client({ connection, namespace });
  } catch (error) {
    throw new EverthawError({
      code: 'HostUnreachable',
      what: `connect to the Temporal server at ${address}`,
      why: messageOf(error),
      hint: 'see that it runs; without TEMPORAL_ADDRESS an embedded one is started',
      cause: error,
    });
  }
}

/** Id of the server's cluster, by which owner records tell two servers apart. */
export async function clusterIdOf(client: Client): Promise<string> {
  const { clusterId } = await client.workflowService.getClusterInfo({});
  return clusterId;
}
