import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import type { OwnerRecord } from '../domain/owner.js';
import type { Host } from '../hosts/host.js';
import { openHost } from '../hosts/hostPool.js';
import { isLibvirtUri } from '../hosts/libvirt/connection/libvirtUri.js';
import { HostRegister, type HostEntry } from '../hosts/register.js';
import { Secret } from '../hosts/secret.js';
import type { HostFlags } from './hostFlags.js';
import { libvirtSettings } from './libvirtFlags.js';
import { wholeNumber } from './values.js';

const MIB = 1024 * 1024;

/** A host that the user named: open, and how it goes into the register. */
export interface HostAccess {
  readonly host: Host;
  readonly entry: HostEntry;
  readonly password: Secret;
}

/** Logs in to the host that flags and environment name. */
export async function accessHost(settings: Settings, flags: HostFlags): Promise<HostAccess> {
  const address = wanted(flags.host ?? settings.host.address, 'the host', '--host', 'EVERTHAW_HOST');
  return isLibvirtUri(address)
    ? accessLibvirt(settings, flags, address)
    : accessVsphere(settings, flags, address);
}

async function accessLibvirt(settings: Settings, flags: HostFlags, address: string): Promise<HostAccess> {
  const entry = { kind: 'libvirt' as const, address, settings: libvirtSettings(settings, flags) };
  // libvirt knows this user, or ssh does: there is no password of ours to keep.
  const password = new Secret('');
  const host = await openHost(entry, password, undefined, settings.stateDirectory);
  return { host, password, entry: { uuid: host.identity.uuid, ...entry } };
}

async function accessVsphere(settings: Settings, flags: HostFlags, address: string): Promise<HostAccess> {
  const username = wanted(
    flags.username ?? settings.host.username,
    'the user name',
    '--username',
    'EVERTHAW_USERNAME',
  );
  const password = await readPassword(settings, flags);
  const thumbprint = flags.thumbprint ?? settings.host.thumbprint;
  const caFile = flags.caFile ?? settings.host.caFile;
  const floorMib = settings.host.datastoreFloorMib;
  const entry = {
    kind: 'vsphere' as const,
    address,
    port: wholeNumber('--port', flags.port ?? settings.host.port),
    username,
    ...(thumbprint === undefined ? {} : { thumbprint }),
    ...(floorMib === undefined
      ? {}
      : { datastoreFloorBytes: wholeNumber('EVERTHAW_DATASTORE_FLOOR_MIB', floorMib) * MIB }),
    // The worker reads it from another directory.
    ...(caFile === undefined ? {} : { caFile: resolve(caFile) }),
  };
  const host = await openHost(entry, password, undefined, settings.stateDirectory);
  return { host, password, entry: { uuid: host.identity.uuid, ...entry } };
}

/** Puts the host into this proxy's register under the name of a loan. */
export async function lendHost(
  settings: Settings,
  { entry, password }: HostAccess,
  loan: string,
  borrower?: OwnerRecord,
): Promise<void> {
  await new HostRegister(stateDirectories(settings).hosts).lend(entry, password, loan, borrower);
}

/**
 * Starts a run with the host lent to it before, so that it can always clean up; the run gives it back. Only where it is
 * certain that no run was started, the loan ends here: after any other failure one may be living that needs it.
 */
export async function startWithLoan<T extends { readonly firstExecutionRunId: string }>(
  settings: Settings,
  access: HostAccess,
  { loan, borrower }: { readonly loan: string; readonly borrower: OwnerRecord },
  start: () => Promise<T>,
): Promise<T> {
  const { uuid } = access.entry;
  const register = new HostRegister(stateDirectories(settings).hosts);
  await lendHost(settings, access, loan, borrower);
  try {
    const run = await start();
    // Its first step notes the same: one that is ended before has a loan that can be told to be nobody's, too.
    await register.assign(uuid, loan, { ...borrower, runId: run.firstExecutionRunId });
    return run;
  } catch (error) {
    if (isErrorWithCode(error, 'VmInUse')) await register.settle(uuid, loan);
    throw error;
  }
}

async function readPassword(settings: Settings, { passwordFile }: HostFlags): Promise<Secret> {
  if (passwordFile !== undefined) {
    try {
      return new Secret((await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, ''));
    } catch (error) {
      throw usage(
        `read the password from "${passwordFile}"`,
        (error as NodeJS.ErrnoException).code ?? 'it cannot be read',
        'name a file that this user can read',
      );
    }
  }
  return new Secret(wanted(settings.host.password, 'the password', '--password-file', 'EVERTHAW_PASSWORD'));
}

function wanted(value: string | undefined, what: string, flag: string, variable: string): string {
  if (value !== undefined && value !== '') return value;
  throw usage('log in', `${what} is not given`, `give ${flag}, or set ${variable}`);
}

function usage(what: string, why: string, hint: string): EverthawError {
  return new EverthawError({ code: 'WrongUsage', what, why, hint });
}
