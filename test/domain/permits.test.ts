import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  granted,
  holds,
  MOST_PASSED,
  NO_PERMITS,
  obstaclesOf,
  released,
  wished,
  type PermitNeed,
  type PermitState,
  type PermitWish,
} from '../../src/domain/permits.js';

const need = (key: string, most: number): PermitNeed => ({ key, of: `datastore ${key}`, most });

const wish = (n: number, ...needs: readonly PermitNeed[]): PermitWish => ({
  run: { workflowId: `vm/${n}`, runId: `run-${n}` },
  ...{ vmName: `vm-${n}`, proxy: 'p', needs },
});

const idsOf = (wishes: readonly PermitWish[]): readonly string[] => wishes.map(({ run }) => run.runId);

/** All of them ask, and whose turn it is gets a permit. */
function asked(before: PermitState, ...wishes: readonly PermitWish[]) {
  return granted(wishes.reduce(wished, before));
}

describe('permits to have a snapshot open', () => {
  it('are given in the order in which they were asked for, and no more than may be', () => {
    const a = need('a', 2);
    const first = asked(NO_PERMITS, wish(1, a), wish(2, a), wish(3, a), wish(4, a));
    expect(idsOf(first.to)).toEqual(['run-1', 'run-2']);
    const second = granted(released(first.state, 'run-1'));
    expect(idsOf(second.to)).toEqual(['run-3']);
    expect(obstaclesOf(second.state, wish(4, a))).toEqual(['2 snapshots of datastore a are open']);
  });

  it('are not asked for twice', () => {
    const a = need('a', 1);
    const { state } = asked(NO_PERMITS, wish(1, a), wish(2, a));
    expect(asked(state, wish(1, a), wish(2, a))).toEqual({ state, to: [] });
    expect(holds(state, 'run-1')).toBe(true);
    expect(holds(state, 'run-2')).toBe(false);
  });

  it('let who needs something else go first', () => {
    const { to } = asked(NO_PERMITS, wish(1, need('a', 1)), wish(2, need('a', 1)), wish(3, need('b', 1)));
    expect(idsOf(to)).toEqual(['run-1', 'run-3']);
  });

  it('are kept for who was passed by too often', () => {
    const [a, b] = [need('a', 1), need('b', 1)];
    let { state } = asked(NO_PERMITS, wish(1, a), wish(2, b), wish(3, a, b));
    let [onA, onB] = [1, 2];
    for (let n = 4; !holds(state, 'run-3'); n += 2) {
      expect(n).toBeLessThan(3 * MOST_PASSED);
      // One of the two is always held by somebody who came later.
      const withA = asked(released(state, `run-${onA}`), wish(n, a));
      if (holds(withA.state, `run-${n}`)) onA = n;
      const withB = asked(released(withA.state, `run-${onB}`), wish(n + 1, b));
      if (holds(withB.state, `run-${n + 1}`)) onB = n + 1;
      state = withB.state;
    }
  });

  it('never exceed a limit, are never lost, and everybody gets one at last, whatever comes in which order', () => {
    const needs = fc.uniqueArray(fc.constantFrom(need('a', 1), need('b', 2), need('c', 3)), { minLength: 1 });
    const step = fc.oneof(fc.record({ asks: needs }), fc.record({ returns: fc.nat({ max: 30 }) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let state = NO_PERMITS;
        let count = 0;
        const living = new Set<string>();
        const look = (): void => {
          ({ state } = granted(state));
          for (const { key, most } of [need('a', 1), need('b', 2), need('c', 3)])
            expect(
              state.holding.filter(({ needs: of }) => of.some((each) => each.key === key)).length,
            ).toBeLessThanOrEqual(most);
          expect(new Set(idsOf([...state.holding, ...state.waiting]))).toEqual(living);
        };
        for (const each of steps) {
          if ('asks' in each) {
            const made = wish(++count, ...each.asks);
            living.add(made.run.runId);
            state = wished(state, made);
          } else {
            living.delete(`run-${each.returns}`);
            state = released(state, `run-${each.returns}`);
          }
          look();
        }
        while (living.size > 0) {
          const [first] = state.holding;
          expect(first).toBeDefined();
          living.delete(first?.run.runId ?? '');
          state = released(state, first?.run.runId ?? '');
          look();
        }
      }),
    );
  });
});
