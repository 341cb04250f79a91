import { condition, defineUpdate, setHandler } from '@temporalio/workflow';
import { formatDuration } from '../domain/format.js';
import { EXPORTED_UPDATE } from '../domain/names.js';
import type { BackupRequest, StagedExport } from '../domain/runs.js';
import type { HeldRun } from './heldRun.js';

const exportedUpdate = defineUpdate<StagedExport>(EXPORTED_UPDATE);

/**
 * An export that is handed to other software (F11): `pre-command` is told when it stands, `post-command` ends the wait for that
 * software. What it was given is owed from before it is there, so that it goes when the run ends, however it does.
 */
export class Handover {
  readonly #request: BackupRequest;
  readonly #held: HeldRun;
  #isExported = false;

  constructor(request: BackupRequest, held: HeldRun) {
    this.#request = request;
    this.#held = held;
    setHandler(exportedUpdate, async () => {
      await condition(() => this.#isExported);
      return { directory: request.directory };
    });
  }

  /** Notes the debt. Before the step that makes the directory. */
  owe(): void {
    const { vm, proxy, directory } = this.#request;
    this.#held.debts.owe({ kind: 'stagedExport', run: this.#held.run, vm, proxy, directory });
  }

  /** Waits until the other software is done. @returns warnings, where nobody said so in time */
  async wait(withinMs: number): Promise<readonly string[]> {
    const { directory } = this.#request;
    this.#held.report.enter(`exported to ${directory}; waiting for post-command`);
    this.#isExported = true;
    if (await this.#held.operator.saysDone(withinMs)) return [];
    return [
      `post-command did not come within ${formatDuration(withinMs)}: "${directory}" is removed, whoever reads it`,
    ];
  }
}
