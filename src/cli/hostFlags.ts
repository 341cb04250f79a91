import { Option, type Command } from 'commander';

export interface HostFlags {
  readonly host?: string;
  readonly port?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly thumbprint?: string;
  readonly caFile?: string;
  readonly pointInTime?: string;
  readonly scratchDirectory?: string;
  readonly nbdTransport?: string;
  readonly freezeUnguarded?: boolean;
}

/** Flags of every command that talks to a host. */
export function addHostFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--host <address>',
        'vCenter Server, ESX host, or a libvirt URI as qemu:///system (or EVERTHAW_HOST)',
      ),
    )
    .addOption(new Option('--port <number>', 'its HTTPS port: 443 (or EVERTHAW_PORT)'))
    .addOption(new Option('--username <name>', 'the backup user (or EVERTHAW_USERNAME)'))
    .addOption(new Option('--password-file <file>', 'file with its password (or EVERTHAW_PASSWORD)'))
    .addOption(
      new Option(
        '--thumbprint <XX:XX:…>',
        'thumbprint of the host’s certificate, SHA-256 or SHA-1 (or EVERTHAW_THUMBPRINT)',
      ),
    )
    .addOption(new Option('--ca-file <file>', 'CA that signed the host’s certificate (or EVERTHAW_CA_FILE)'))
    .addOption(
      new Option(
        '--point-in-time <way>',
        'libvirt: pull (a backup job), overlay (an external snapshot) or auto (or EVERTHAW_POINT_IN_TIME)',
      ),
    )
    .addOption(
      new Option(
        '--scratch-directory <directory>',
        'libvirt: where on the host old blocks are kept meanwhile; beside the first disk if not given (or EVERTHAW_SCRATCH_DIRECTORY)',
      ),
    )
    .addOption(
      new Option(
        '--nbd-transport <way>',
        'libvirt: unix (a socket, over ssh through a tunnel) or tls, by which disks are read (or EVERTHAW_NBD_TRANSPORT)',
      ),
    )
    .addOption(
      new Option(
        '--freeze-unguarded',
        'libvirt: freeze guests in which the dead-man’s switch cannot be armed (or EVERTHAW_FREEZE_UNGUARDED=1)',
      ),
    );
}
