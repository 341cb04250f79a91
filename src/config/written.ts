import { dirname, resolve } from 'node:path';
import { isScpUrl } from '../domain/scpUrl.js';
import { allowedOf, type Kind } from './kind.js';
import { shown, valueProblem, type Problem } from './problem.js';
import { readValue } from './readValue.js';
import { declarationOf, type SettingName } from './settingTable.js';

export type Value = string | number | boolean;

/** What somebody wrote down of a setting, and where. */
export interface Written {
  readonly setting: SettingName;
  readonly value: Value;
  /** `/etc/everthaw/everthaw.yaml:3`, `environment variable EVERTHAW_PORT` or `flag --port` */
  readonly from: string;
}

/** What was read from one place: what is right in it, and all that is wrong. */
export class Reading {
  readonly written: Written[] = [];
  readonly problems: Problem[] = [];
  /** What is no reason to stop, and yet wants to be known. */
  readonly warnings: string[] = [];
  /** Settings of which something was written, right or wrong. */
  readonly attempted = new Set<SettingName>();

  /** Takes what was given for a setting, or notes why it cannot. A relative path is counted from `directory`. */
  take(
    setting: SettingName,
    given: unknown,
    place: {
      readonly option: string;
      readonly from: string;
      readonly directory: string;
      readonly kind?: Kind;
      /** Where a problem is said to be, if not there where it is from. */
      readonly where?: string;
    },
  ): void {
    const kind = place.kind ?? declarationOf(setting).kind;
    this.attempted.add(setting);
    const value = readValue(kind, given);
    if (value === undefined) {
      const told = kind.is === 'secret' ? 'no text' : shown(given);
      this.wrong(place.where ?? place.from, valueProblem(place.option, told, allowedOf(kind)));
    } else {
      const isPath =
        typeof value === 'string' && (kind.is === 'path' || (kind.is === 'destination' && !isScpUrl(value)));
      this.written.push({
        setting,
        value: isPath ? resolve(place.directory, value) : value,
        from: place.from,
      });
    }
  }

  wrong(where: string, what: string): void {
    this.problems.push({ where, what });
  }
}

/** Where a file's relative paths are counted from. */
export function placeIn(file: string, line: number): { readonly from: string; readonly directory: string } {
  return { from: `${file}:${line}`, directory: dirname(file) };
}
