import { randomUUID } from 'node:crypto';
import type { JobTools } from '../activities/jobs.js';
import { OF_TEMPLATE } from '../checks/refusals.js';
import { readSettings, type Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import type { FoundVms, JobDefinition, JobTemplate, JobVm, VmOutcome } from '../domain/jobs.js';
import type { OwnerRecord } from '../domain/owner.js';
import { printable } from '../domain/printable.js';
import { judgeRetention } from '../domain/retention.js';
import { isScpUrl } from '../domain/scpUrl.js';
import type { VmSummary } from '../domain/vm.js';
import { Destinations } from '../destinations/destinations.js';
import { forgetDoomed } from '../destinations/forgetDoomed.js';
import { forgetPoint } from '../destinations/forgetPoint.js';
import { surveyOf, type Retained } from '../destinations/retainedPoints.js';
import type { Host } from '../hosts/host.js';
import { heldElsewhere } from '../integrations/heldElsewhere.js';
import { send } from '../notifications/send.js';
import { imageTemplate, volumesTemplate } from './backupRequest.js';
import { chosenVms } from './chosenVms.js';
import { accessKnown, lendHost, openAccess } from './hostAccess.js';
import { moduleChoice, repositories } from './moduleChoice.js';

/**
 * A job's steps by the settings of the proxy that they run on: its own everthaw.yaml is read anew by each, so that a changed password is
 * used by the next VM.
 */
export function jobTools(
  config: string | undefined,
  lastState: (job: string) => Promise<string | undefined>,
): JobTools {
  const settingsOf = ({ name, settings }: JobDefinition): Settings =>
    readSettings(undefined, { config, job: { name, settings } });
  return {
    async find(job): Promise<FoundVms> {
      const settings = settingsOf(job);
      const { host } = await openAccess(settings);
      try {
        const { vms, missing } = await chosenVms(settings, host, job);
        const namesakes = new Set(vms.flatMap(({ name }, n) => (vms[n + 1]?.name === name ? [name] : [])));
        const outcomes = vms.map((vm) => ({ vm, refusal: refusalOf(vm, namesakes) }));
        return {
          hostUuid: host.identity.uuid,
          template: templateOf(settings, host, job),
          vms: outcomes.flatMap(({ vm, refusal }) => (refusal === undefined ? [nameOf(vm)] : [])),
          leftOut: [
            ...outcomes.flatMap(({ vm, refusal }) =>
              refusal === undefined ? [] : [{ vm: nameOf(vm), ...refusal }],
            ),
            ...missing.map(({ choice, why }) => ({
              ...{ vm: { instanceUuid: '', name: choice }, state: 'failed' as const, reason: why },
            })),
          ],
        };
      } finally {
        await host.logout();
      }
    },

    async lend(job, hostUuid, loan, borrower: OwnerRecord): Promise<void> {
      const settings = settingsOf(job);
      await lendHost(settings, await accessKnown(settings, hostUuid), loan, borrower);
    },

    lastState: ({ name }) => lastState(name),

    async notify(job, to, notification): Promise<void> {
      const channel = settingsOf(job).channels[to];
      if (channel === undefined)
        throw new EverthawError({
          code: 'WrongUsage',
          what: `tell ${to}`,
          why: 'the proxy’s everthaw.yaml has no channel of that name',
          hint: `add it to notify there, on proxy ${job.proxy}`,
        });
      await send(to, channel, notification);
    },

    async forget(job, hostUuid, vmUuids): Promise<readonly string[]> {
      const settings = settingsOf(job);
      const destinations = new Destinations(settings.stateDirectory);
      const survey = surveyOf(await destinations.listBelow([rootOf(settings, job)], 'one file system'));
      const decisions = judgeRetention(survey.points, job.keep ?? {}, {
        ...{ nowMs: Date.now(), zone: settings.timeZone, lastRunFailed: survey.lastRunFailed },
      });
      const meant = new Set(vmUuids);
      const level = job.files === undefined ? 'image' : 'file';
      const doomed = decisions.flatMap(({ point, forget }) =>
        forget && point.hostUuid === hostUuid && meant.has(point.vmUuid) && point.level === level
          ? [point]
          : [],
      );
      const elsewhere = heldElsewhere(repositories(settings));
      const lines: string[] = [];
      await forgetDoomed(
        doomed,
        async ({ listed, runId }: Retained) =>
          forgetPoint(await destinations.placeAt(listed.directory), runId, randomUUID(), elsewhere),
        ({ listed }, outcome) => {
          const { state } = outcome;
          lines.push(
            printable(
              state === 'forgotten'
                ? `forgotten: ${listed.directory}`
                : state === 'gone'
                  ? `gone already: ${listed.directory}`
                  : `not forgotten: ${listed.directory}: ${outcome.why}`,
            ),
          );
        },
      );
      return lines;
    },
  };
}

function nameOf({ instanceUuid, name }: VmSummary): JobVm {
  return { instanceUuid, name };
}

/** Why a VM that is chosen is not backed up. */
function refusalOf(
  { name, isTemplate }: VmSummary,
  namesakes: ReadonlySet<string>,
): Pick<VmOutcome, 'state' | 'reason'> | undefined {
  if (isTemplate !== undefined) return { state: 'skipped', reason: OF_TEMPLATE.why };
  if (!namesakes.has(name)) return undefined;
  return {
    state: 'failed',
    reason:
      'another VM of the job has this name, and they would share a directory: give each a job with a root of its own',
  };
}

function templateOf(settings: Settings, host: Host, job: JobDefinition): JobTemplate {
  const root = rootOf(settings, job);
  const { files } = job;
  if (files === undefined) return { via: 'image', root, request: imageTemplate(settings, host) };
  if (isScpUrl(root))
    throw new EverthawError({
      code: 'WrongUsage',
      what: `run job "${job.name}"`,
      why: `"${root}" is on another machine, and archives of files are written on this one`,
      hint: 'name a directory of the proxy as its root',
    });
  const { kind, module, words, include, exclude } = files;
  return {
    ...{ via: 'files', root },
    request: {
      ...volumesTemplate(settings, host),
      ...{ kind, include, exclude, module: moduleChoice(settings, module, words) },
    },
  };
}

function rootOf({ backup: { root } }: Settings, { name }: JobDefinition): string {
  if (root !== undefined) return root;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `run job "${name}"`,
    why: 'where to is not given',
    hint: 'give it a root in everthaw.yaml, and apply it',
  });
}
