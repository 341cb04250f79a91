import type { Command } from 'commander';
import { EXIT, Output } from './output.js';

/** Runs a program of a historic name: the same exit codes and errors as everthaw's. */
export async function runHistoric(program: Command): Promise<void> {
  program.exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.done : EXIT.usage));
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = new Output(process.argv.includes('--json')).error(error);
    // What failed may still hold a connection open.
    process.exit();
  }
}
