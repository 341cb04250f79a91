import { spawn } from 'node:child_process';

/** Why the set-up cannot go on, and what the user can do about it. */
export class SetupError extends Error {
  constructor(why, hint) {
    super(why);
    this.hint = hint;
  }
}

/** Steps shorter than this are not worth a line. */
const QUIET_MS = 1500;
const TICK_MS = 15_000;

/** Does a step; says that it goes on while it is long and silent, and how long it took. */
export async function step(name, work) {
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  let announced = false;
  const announce = setTimeout(() => {
    announced = true;
    console.log(`set-up: ${name} …`);
  }, QUIET_MS);
  const tick = setInterval(() => {
    console.log(`set-up: ${name}, ${seconds()} s …`);
  }, TICK_MS);
  try {
    const result = await work();
    if (announced) console.log(`set-up: ${name}: done in ${seconds()} s`);
    return result;
  } finally {
    clearTimeout(announce);
    clearInterval(tick);
  }
}

/** Runs a program whose output the user sees, and returns its exit code; 127 when there is no such program. */
export async function show(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => (error.code === 'ENOENT' ? resolve(127) : reject(error)));
    child.once('close', (code) => resolve(code ?? 1));
  });
}
