import type { CopyReport } from './copier.js';

/** What became of a source that could not be read to its end. */
export class SourceFailure extends Error {
  readonly report: CopyReport;

  constructor(report: CopyReport) {
    super('the source failed');
    this.report = report;
  }
}
