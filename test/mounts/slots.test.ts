import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasRoom, type Ticket } from '../../src/mounts/slots.js';

function ticket(keeper: string, since: number, volumes: number, isTaken = false): Ticket {
  return { keeper, since, volumes, isTaken };
}

describe('whose turn it is to mount', () => {
  it('is given as long as there is room', () => {
    expect(hasRoom(ticket('b', 2, 20), [ticket('a', 1, 40, true)], 60)).toBe(true);
    expect(hasRoom(ticket('b', 2, 21), [ticket('a', 1, 40, true)], 60)).toBe(false);
  });

  it('is nobody’s who comes later and would fit, while an earlier one waits', () => {
    const others = [ticket('a', 1, 40, true), ticket('b', 2, 30)];
    expect(hasRoom(ticket('c', 3, 5), others, 60)).toBe(false);
  });

  it('comes for who has more volumes than there ever is room for, when it is alone', () => {
    expect(hasRoom(ticket('b', 2, 100), [ticket('a', 1, 1, true)], 60)).toBe(false);
    expect(hasRoom(ticket('b', 2, 100), [ticket('c', 3, 1)], 60)).toBe(true);
  });

  it('comes for everybody in the end, in their order, and never for more at once than there may be', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 60 }), (volumes, most) => {
        let tickets = volumes.map((each, n) => ticket(String(n).padStart(2, '0'), n, each));
        const served: string[] = [];
        while (tickets.length > 0) {
          const next = tickets.find(
            (one) =>
              !one.isTaken &&
              hasRoom(
                one,
                tickets.filter((other) => other !== one),
                most,
              ),
          );
          if (next === undefined) {
            const [first] = tickets.filter(({ isTaken }) => isTaken);
            expect(first).toBeDefined();
            tickets = tickets.filter((one) => one !== first);
            continue;
          }
          served.push(next.keeper);
          tickets = tickets.map((one) => (one === next ? { ...one, isTaken: true } : one));
          const taken = tickets.filter(({ isTaken }) => isTaken);
          const sum = taken.reduce((all, one) => all + one.volumes, 0);
          expect(sum <= most || taken.length === 1).toBe(true);
        }
        expect(served).toEqual([...served].sort());
        expect(served).toHaveLength(volumes.length);
      }),
    );
  });
});
