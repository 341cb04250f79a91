/** Which module carries files, and what it is told (F6). Plain data without a secret: it stands in a run's history. */
export type ModuleChoice =
  | { readonly name: 'tar' }
  | {
      readonly name: 'command';
      /** The program, then its arguments, with `{path}`, `{vm}` and `{kind}` in them. */
      readonly words: readonly string[];
    };

export const MODULE_NAMES = ['tar', 'command'] as const satisfies readonly ModuleChoice['name'][];

/** The program that has to be on the proxy. */
export function programOf(choice: ModuleChoice): string {
  return choice.name === 'command' ? (choice.words[0] ?? '') : choice.name;
}
