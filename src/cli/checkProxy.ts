import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Client } from '@temporalio/client';
import { checkFileTools, checkTools, type ToolSet } from '../checks/tools.js';
import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { finding, findings, type Finding } from '../domain/finding.js';
import { proxyQueue } from '../domain/names.js';
import { parseTransport } from '../domain/transport.js';
import { isLibvirtUri, parseAddress } from '../hosts/libvirt/connection/libvirtUri.js';
import { connectClient, type TemporalAddress } from '../temporal/client.js';
import { findDaemon } from '../temporal/daemon.js';
import { pollersOf } from '../temporal/pollers.js';
import { findTemporal } from '../temporal/program.js';

/** What this machine needs to be a proxy: somewhere to write, a Temporal server, a worker, programs. */
export async function checkProxy(settings: Settings): Promise<readonly Finding[]> {
  const { stateDirectory, host, libvirt } = settings;
  return [
    await finding('state', stateDirectory, () => writable(stateDirectory)),
    ...(await temporalFindings(settings)),
    ...(await findings('program', '-', () =>
      Promise.resolve(
        checkTools(toolSets(host.address, settings.backup.transport, libvirt.nbdTransport === 'tls')),
      ),
    )),
    await checkFileTools(),
  ];
}

/** It is made with the first run: then the nearest directory above it that is there counts. */
async function writable(directory: string): Promise<string> {
  const there = await stat(directory).catch(() => undefined);
  if (there === undefined && dirname(directory) !== directory) {
    await writable(dirname(directory));
    return 'it can be made';
  }
  try {
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new EverthawError({
      code: 'NotPermitted',
      what: `write to "${directory}"`,
      why: `"${directory}" may not be written to by this user`,
      hint: 'name another with EVERTHAW_STATE, or run as the user that the worker runs as',
      cause: error,
    });
  }
  return 'may be written to';
}

async function temporalFindings(settings: Settings): Promise<readonly Finding[]> {
  const { address, namespace } = settings.temporal;
  if (address !== undefined) return serverFindings(settings, { address, namespace });
  const daemon = await findDaemon(stateDirectories(settings).daemon);
  if (daemon !== undefined) return serverFindings(settings, daemon);
  const check = 'Temporal';
  const on = 'embedded';
  return findings(check, on, async () => {
    const program = await findTemporal({ ...settings.temporal, cacheDirectory: settings.cacheDirectory });
    if (program !== undefined)
      return [{ check, on, state: 'ok', found: `${program}: server and worker start with the first run` }];
    const found = 'its program is not here yet: the first run fetches or builds it, which may take minutes';
    return [{ check, on, state: 'warning', found, todo: 'everthaw up does that now' }];
  });
}

async function serverFindings(settings: Settings, at: TemporalAddress): Promise<readonly Finding[]> {
  return findings('Temporal', at.address, async () => {
    const client = await connectClient(at);
    try {
      const server: Finding = { check: 'Temporal', on: at.address, state: 'ok', found: 'it answers' };
      return [server, await worker(settings, client)];
    } finally {
      await client.connection.close();
    }
  });
}

function worker({ proxy }: Settings, client: Client): Promise<Finding> {
  return finding('worker', proxy, async () => {
    const serving = await pollersOf(client, proxyQueue(proxy));
    if (serving.length > 0) return `${serving.join(', ')} serves it`;
    throw new EverthawError({
      code: 'HostUnreachable',
      what: `look for a worker of proxy "${proxy}"`,
      why: 'no worker serves this proxy: a backup would wait for one',
      hint: 'start it on the proxy: everthaw worker; or see that EVERTHAW_PROXY names the one that is meant',
    });
  });
}

function toolSets(
  address: string | undefined,
  transport: string | undefined,
  isTls: boolean,
): readonly ToolSet[] {
  if (address === undefined) return [];
  if (!isLibvirtUri(address))
    return [transport !== undefined && parseTransport(transport).via === 'datastore' ? 'datastore' : 'lease'];
  const way = parseAddress(address).ssh === undefined ? 'local' : 'ssh';
  return ['export', way, ...(isTls ? (['tls'] as const) : [])];
}
