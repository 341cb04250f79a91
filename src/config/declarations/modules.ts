import type { SettingDeclaration } from './declaration.js';
import { GIVEN, PATH } from './kinds.js';

/** Of the places that integration modules carry files to. */
export const MODULE_SETTINGS = {
  resticRepository: {
    kind: GIVEN,
    what: 'repository of restic’s that files of VMs are backed up to: a directory, `sftp:…`, `rest:…`, `s3:…`',
    env: 'RESTIC_REPOSITORY',
    flag: '--restic-repository <place>',
    section: 'proxy',
    key: 'resticRepository',
  },
  resticPasswordFile: {
    kind: PATH,
    what: 'file that holds its password',
    env: 'RESTIC_PASSWORD_FILE',
    flag: '--restic-password-file <file>',
    section: 'proxy',
    key: 'resticPasswordFile',
  },
  resticEnvironmentFile: {
    kind: PATH,
    what: 'file with NAME=value in each line, which restic gets in its environment: keys of an object store',
    env: 'EVERTHAW_RESTIC_ENVIRONMENT_FILE',
    flag: '--restic-environment-file <file>',
    section: 'proxy',
    key: 'resticEnvironmentFile',
  },
  rcloneDestination: {
    kind: GIVEN,
    what: 'where `--module rclone` copies files of VMs to: `remote:path`, or a directory',
    env: 'EVERTHAW_RCLONE_DESTINATION',
    flag: '--rclone-destination <place>',
    section: 'proxy',
    key: 'rcloneDestination',
  },
  rcloneConfigFile: {
    kind: PATH,
    what: 'rclone’s own configuration, which says how its remotes are reached',
    env: 'RCLONE_CONFIG',
    flag: '--rclone-config-file <file>',
    section: 'proxy',
    key: 'rcloneConfigFile',
    defaultTold: 'where rclone looks for it',
  },
} as const satisfies Record<string, SettingDeclaration>;
