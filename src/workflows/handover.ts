import { defineUpdate, setHandler, Trigger } from '@temporalio/workflow';
import { formatDuration } from '../domain/format.js';
import { EXPORTED_UPDATE } from '../domain/names.js';
import type { StagedExport } from '../domain/runs.js';
import type { HeldRun } from './heldRun.js';

const exportedUpdate = defineUpdate<StagedExport>(EXPORTED_UPDATE);

/**
 * What is handed to other software (F11): `pre-command` is told when it stands, `post-command` ends the wait for that software.
 */
export class Handover {
  readonly #held: HeldRun;
  readonly #staged = new Trigger<StagedExport>();

  constructor(held: HeldRun) {
    this.#held = held;
    setHandler(exportedUpdate, async () => this.#staged);
  }

  /** It stands. Waits until the other software is done. @returns warnings, where nobody said so in time */
  async wait(staged: StagedExport, withinMs: number): Promise<readonly string[]> {
    const { directory } = staged;
    this.#held.report.enter(`ready in ${directory}; waiting for post-command`);
    this.#staged.resolve(staged);
    if (await this.#held.operator.saysDone(withinMs)) return [];
    return [
      `post-command did not come within ${formatDuration(withinMs)}: "${directory}" is removed, whoever reads it`,
    ];
  }
}
