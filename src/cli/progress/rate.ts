const WINDOW_MS = 10_000;
/** Before that a rate is chance. */
const SHORTEST_MS = 1000;

/** How quickly bytes come, by what was seen in the last seconds. */
export class Rate {
  #seen: { readonly atMs: number; readonly bytes: number }[] = [];

  /** Fewer bytes than before are a new beginning. */
  see(bytes: number, atMs: number): void {
    if (bytes < (this.#seen.at(-1)?.bytes ?? 0)) this.#seen = [];
    this.#seen = [...this.#seen.filter((each) => each.atMs >= atMs - WINDOW_MS), { atMs, bytes }];
  }

  /** `undefined` where too little was seen. */
  get bytesPerSecond(): number | undefined {
    const [first, last] = [this.#seen[0], this.#seen.at(-1)];
    if (first === undefined || last === undefined || last.atMs - first.atMs < SHORTEST_MS) return undefined;
    return ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs);
  }
}
