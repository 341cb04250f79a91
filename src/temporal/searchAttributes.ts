import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { SEARCH_ATTRIBUTES } from '../domain/names.js';

/** A search attribute of a run that is about to start. */
export function keyword(attribute: keyof typeof SEARCH_ATTRIBUTES, value: string): SearchAttributePair {
  return { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES[attribute], 'KEYWORD'), value };
}
