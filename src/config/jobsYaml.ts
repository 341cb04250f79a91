import * as z from 'zod';
import { FILE_KINDS } from '../domain/fileManifest.js';
import type { JobDefinition } from '../domain/jobs.js';
import { MODULE_NAMES } from '../domain/moduleChoice.js';
import type { KeepRules } from '../domain/retention.js';
import { NOTIFY_ON } from '../domain/notification.js';
import { parseSpan, SPAN_FORM } from '../domain/spanOfTime.js';
import { SPANS } from '../domain/timeBuckets.js';
import { parseVmChoice, VM_CHOICE_FORMS } from '../domain/vmChoice.js';
import { typeOf } from './readValue.js';
import { declarationOf, type SettingName } from './settingTable.js';
import type { Value } from './written.js';

/** Settings that a job may say for itself. */
export const JOB_SETTINGS = [
  ...(['host', 'root', 'transport', 'diskFormat', 'quiesce', 'snapshotPolicy'] as const),
  ...(['preexistingSnapshot', 'preexistingMountPoint', 'retries', 'backoff', 'timeZone'] as const),
  ...(['resticRepository', 'resticPasswordFile', 'resticEnvironmentFile'] as const),
  ...(['rcloneDestination', 'rcloneConfigFile'] as const),
] as const satisfies readonly SettingName[];

/** Letters, digits and a few marks: a job's name is part of ids and of commands. */
export const JOB_NAME = /^[\p{L}\p{N}][\p{L}\p{N}._ -]{0,99}$/u;

/** A proxy's worker does as many steps at once (src/worker.ts): with more runs, snapshots would stand and wait. */
const MOST_AT_ONCE = 16;
const DAY_S = 24 * 3600;
const MOST_KEPT = 100_000;

/** Five fields, or a word as @daily; the server knows what stands in them. */
const CRON = /^(?:@[a-z]+|@every \d+[smhd]|\S+(?: +\S+){4})$/;
const CRON_FORM = 'cron’s five fields, as "0 1 * * *", @daily, or @every 6h; several as a list';

const text = (allowed: string) => z.string(allowed).regex(/^\P{Cc}+$/u, allowed);
const texts = (allowed: string) => z.array(text(allowed), allowed).min(1, allowed);
const count = (from: number, to: number) => {
  const allowed = `a whole number from ${from} to ${to}`;
  return z.int(allowed).min(from, allowed).max(to, allowed);
};
const cron = z.string(CRON_FORM).regex(CRON, CRON_FORM);
const choices = z.array(
  z.string(VM_CHOICE_FORMS).refine((each) => {
    try {
      parseVmChoice(each);
      return true;
    } catch {
      return false;
    }
  }, VM_CHOICE_FORMS),
  'a list',
);

/** What everthaw.yaml says of one job (F8). */
export const JOB = z.strictObject({
  vms: choices.min(1, 'a list with at least one choice of VMs'),
  exclude: choices.optional(),
  proxy: text('a proxy’s name').optional(),
  ...Object.fromEntries(
    JOB_SETTINGS.map((setting) => {
      const { key, kind, what } = declarationOf(setting);
      return [key ?? setting, typeOf(kind).optional().describe(what)];
    }),
  ),
  files: z
    .strictObject({
      kind: z.enum(FILE_KINDS, `one of ${FILE_KINDS.join(', ')}`).optional(),
      module: z.enum(MODULE_NAMES, `one of ${MODULE_NAMES.join(', ')}`).optional(),
      command: texts('a program and its arguments, as a list').optional(),
      include: texts('paths of the guest, as a list').optional(),
      exclude: texts('paths or names, as a list').optional(),
    })
    .optional(),
  notify: z
    .array(
      z.strictObject({
        to: text('the name of a channel in notify'),
        on: z.enum(NOTIFY_ON, `one of ${NOTIFY_ON.join(', ')}`).optional(),
      }),
      'a list of { to, on }',
    )
    .optional(),
  parallel: count(1, MOST_AT_ONCE).optional(),
  cron: z.union([cron, z.array(cron, CRON_FORM).min(1, CRON_FORM)], CRON_FORM).optional(),
  jitterS: count(0, DAY_S).optional(),
  catchUpS: count(10, 31 * DAY_S).optional(),
  keep: z
    .strictObject({
      last: count(1, MOST_KEPT).optional(),
      ...Object.fromEntries(SPANS.map((span) => [span, count(1, MOST_KEPT).optional()])),
      within: z
        .string(SPAN_FORM)
        .refine((given) => parseSpan(given) !== undefined, SPAN_FORM)
        .optional(),
    })
    .optional(),
});

export const JOB_KEYS = Object.keys(JOB.shape);

type Parsed = z.infer<typeof JOB>;

/** A job as it was written down, as soon as it is known what is usual where it says nothing. */
export type WrittenJob = (usual: { readonly proxy: string; readonly timeZone: string }) => JobDefinition;

const DEFAULT_CATCH_UP_S = 3600;

/** @param settings what the job says of settings, its paths made absolute */
export function jobOf(
  name: string,
  { vms, exclude = [], proxy, files, notify, parallel = 1, cron: lines, jitterS = 0, catchUpS, keep }: Parsed,
  settings: Readonly<Partial<Record<SettingName, Value>>>,
): WrittenJob {
  return (usual) => ({
    ...{ name, vms, exclude, settings, parallel, proxy: proxy ?? usual.proxy },
    ...(files === undefined
      ? {}
      : {
          files: {
            ...{ kind: files.kind ?? 'full', module: files.module ?? 'tar', words: files.command ?? [] },
            ...{ include: files.include ?? [], exclude: files.exclude ?? [] },
          },
        }),
    ...(keep === undefined ? {} : { keep: rulesOf(keep) }),
    ...(notify === undefined ? {} : { notify: notify.map(({ to, on = 'failure' }) => ({ to, on })) }),
    ...(lines === undefined
      ? {}
      : {
          schedule: {
            cron: typeof lines === 'string' ? [lines] : lines,
            timeZone: String(settings.timeZone ?? usual.timeZone),
            ...{ jitterMs: jitterS * 1000, catchUpMs: (catchUpS ?? DEFAULT_CATCH_UP_S) * 1000 },
          },
        }),
  });
}

function rulesOf({ within, ...counts }: NonNullable<Parsed['keep']>): KeepRules {
  return {
    ...(counts as KeepRules),
    ...(within === undefined ? {} : { withinMs: parseSpan(within) ?? 0 }),
  };
}
