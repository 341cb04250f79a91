import { defineSearchAttributeKey } from '@temporalio/common/lib/search-attributes.js';
import type { ChildWorkflowOptions } from '@temporalio/workflow';
import type { JobDefinition } from '../domain/jobs.js';
import { SEARCH_ATTRIBUTES, WORKFLOW_QUEUE } from '../domain/names.js';

const keyOf = (attribute: keyof typeof SEARCH_ATTRIBUTES) =>
  defineSearchAttributeKey(SEARCH_ATTRIBUTES[attribute], 'KEYWORD');

/**
 * How a job starts other runs: they outlive it, for whatever ends it must not end them without their clean-up; a cancellation is passed on
 * and waited for.
 */
export function childOptions(
  { name, proxy }: Pick<JobDefinition, 'name' | 'proxy'>,
  kind: string,
  summary: string,
  vm?: string,
): ChildWorkflowOptions {
  return {
    taskQueue: WORKFLOW_QUEUE,
    parentClosePolicy: 'ABANDON',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: summary,
    typedSearchAttributes: [
      { key: keyOf('job'), value: name },
      { key: keyOf('proxy'), value: proxy },
      { key: keyOf('kind'), value: kind },
      { key: keyOf('state'), value: 'running' },
      ...(vm === undefined ? [] : [{ key: keyOf('vm'), value: vm }]),
    ],
  };
}
