import type { CopyReport } from './copier.js';

/** What became of a source that could not be read to its end, or of a program that did not keep what it was sent. */
export class CopyFailure extends Error {
  readonly report: CopyReport;

  constructor(report: CopyReport) {
    super('the copy failed');
    this.report = report;
  }
}
