import { defineQuery, setCurrentDetails, setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common/lib/search-attributes.js';
import { BYTES_ATTRIBUTE, PHASE_QUERY, SEARCH_ATTRIBUTES } from '../domain/names.js';

const phaseQuery = defineQuery<string>(PHASE_QUERY);

const STATE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.state, 'KEYWORD');
const BYTES = defineSearchAttributeKey(BYTES_ATTRIBUTE, 'INT');

/** What a run shows of itself: its phase in the UI and by query, its state as a search attribute. */
export class RunReport {
  readonly #title: string;
  readonly #done: string[] = [];
  #phase = 'starting';

  constructor(title: string) {
    this.#title = title;
    setHandler(phaseQuery, () => this.#phase);
  }

  enter(phase: string): void {
    this.#phase = phase;
    this.#show();
  }

  /** Adds a line to what the run's page tells. */
  note(line: string): void {
    this.#done.push(line);
    this.#show();
  }

  /** Says anew all that its page tells. */
  tell(phase: string, lines: readonly string[]): void {
    this.#done.splice(0, Infinity, ...lines);
    this.enter(phase);
  }

  /** The run waits for an operator: visible as its state, too. */
  hold(why: string): void {
    this.enter(why);
    upsertSearchAttributes([{ key: STATE, value: 'held' }]);
  }

  goOn(): void {
    this.enter('going on');
    upsertSearchAttributes([{ key: STATE, value: 'running' }]);
  }

  /** How many bytes the backup holds that was made. */
  made(bytes: number): void {
    upsertSearchAttributes([{ key: BYTES, value: bytes }]);
  }

  end(state: 'succeeded' | 'partial' | 'failed' | 'cancelled' | 'skipped'): void {
    this.enter(state);
    upsertSearchAttributes([{ key: STATE, value: state }]);
  }

  #show(): void {
    setCurrentDetails(
      [`## ${this.#title}`, `**${this.#phase}**`, ...this.#done.map((line) => `- ${line}`)].join('\n\n'),
    );
  }
}
