/** A repository of restic's, and where its secrets are. */
export interface ResticRepository {
  /** As restic names it: a directory, `sftp:…`, `rest:…`, `s3:…`. */
  readonly place: string;
  readonly passwordFile: string;
  /** `NAME=value` in each line: what else restic needs to reach it. */
  readonly environmentFile?: string;
}

/** A place that rclone reaches. */
export interface RcloneDestination {
  /** As rclone names it: `remote:path`, or a directory. */
  readonly place: string;
  /** Its configuration, with the secrets of remotes; else where rclone looks for it. */
  readonly configFile?: string;
}

/** Which module carries files, and what it is told (F6). Plain data without a secret: it stands in a run's history. */
export type ModuleChoice =
  | { readonly name: 'tar' }
  | { readonly name: 'restic'; readonly repository: ResticRepository }
  | { readonly name: 'rclone'; readonly destination: RcloneDestination }
  | {
      readonly name: 'command';
      /** The program, then its arguments, with `{path}`, `{vm}` and `{kind}` in them. */
      readonly words: readonly string[];
    };

export const MODULE_NAMES = [
  'tar',
  'restic',
  'rclone',
  'command',
] as const satisfies readonly ModuleChoice['name'][];

/** The program that has to be on the proxy. */
export function programOf(choice: ModuleChoice): string {
  return choice.name === 'command' ? (choice.words[0] ?? '') : choice.name;
}
