/**
 * A native program that writes bytes to its standard output (a download) or reads a file (an upload). Secrets go to its
 * standard input or to a file of mode 0600, never into its arguments, which every user of the machine can read.
 */
export interface SourceProgram {
  readonly program: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  /** A file that it reads as its standard input, in place of a text. */
  readonly stdinFile?: string;
  /** What it reads, for errors: `disk scsi0:0 of "vm37"`. */
  readonly what: string;
}
