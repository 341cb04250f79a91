import { readdir, readFile, readlink } from 'node:fs/promises';
import { runProgram } from '../system/program.js';
import type { SourceProgram } from '../system/sourceProgram.js';

const LOOK_MS = 300;

/** Runs a program that uploads a file, and tells how far it has read it, as the kernel knows. */
export async function runUpload(
  source: SourceProgram,
  file: string,
  onProgress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await runProgram(source, signal, (pid) => {
      timer = setInterval(() => {
        // A process that is just ending has nothing to tell any more.
        positionIn(pid, file).then((bytes) => {
          if (bytes !== undefined) onProgress(bytes);
        }, ignore);
      }, LOOK_MS);
    });
  } finally {
    clearInterval(timer);
  }
}

/** Where a process reads a file it has open (proc(5), fdinfo). */
async function positionIn(pid: number, file: string): Promise<number | undefined> {
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    if ((await readlink(`/proc/${pid}/fd/${fd}`)) !== file) continue;
    const info = await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    return Number(/^pos:\s*(\d+)/m.exec(info)?.[1] ?? 0);
  }
  return undefined;
}

function ignore(): void {
  // Nothing depends on it.
}
