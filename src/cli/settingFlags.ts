import type { Command } from 'commander';
import { declarationOf, type SettingName } from '../config/settingTable.js';

/** Adds the flags of settings, as the table of settings says them. */
export function addSettingFlags(command: Command, ...names: readonly SettingName[]): Command {
  for (const name of names) {
    const { flag, what, env, default: usual, defaultTold } = declarationOf(name);
    if (flag === undefined) throw new Error(`setting ${name} has no flag`);
    const unless = defaultTold ?? (usual === undefined || usual === false ? undefined : String(usual));
    const or = env === undefined ? [] : [`or ${env}`];
    const more = [...(unless === undefined ? [] : [`default: ${unless}`]), ...or];
    command.option(flag, more.length === 0 ? what : `${what} (${more.join('; ')})`);
  }
  return command;
}

/** Flags of every command that talks to a host. */
export function addHostFlags(command: Command): Command {
  return addSettingFlags(
    command,
    ...(['host', 'port', 'username', 'passwordFile', 'thumbprint', 'caFile'] as const),
    ...(['pointInTime', 'scratchDirectory', 'nbdTransport', 'freezeUnguarded'] as const),
  );
}

/** How the places are reached in which modules keep files. */
export function addRepositoryFlags(command: Command): Command {
  return addSettingFlags(
    command,
    ...(['resticRepository', 'resticPasswordFile', 'resticEnvironmentFile'] as const),
    ...(['rcloneDestination', 'rcloneConfigFile'] as const),
  );
}
