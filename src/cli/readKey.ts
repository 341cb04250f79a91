const CTRL_C = '\u0003';
const CTRL_D = '\u0004';

/**
 * Waits for one of these keys at the terminal. Ctrl-C, Ctrl-D and the end of the input are `interrupted`; `undefined` where the
 * signal comes first.
 */
export function readKey<Key extends string>(
  keys: readonly Key[],
  signal: AbortSignal,
): Promise<Key | 'interrupted' | undefined> {
  const { stdin } = process;
  return new Promise((resolve) => {
    const answer = (key: Key | 'interrupted' | undefined): void => {
      stdin.off('data', typed).off('end', ended).pause();
      stdin.setRawMode(false);
      signal.removeEventListener('abort', moot);
      resolve(key);
    };
    const typed = (data: Buffer): void => {
      for (const character of data.toString().toLowerCase()) {
        const key = keys.find((each) => each === character);
        if (key !== undefined) answer(key);
        else if (character === CTRL_C || character === CTRL_D) answer('interrupted');
        else continue;
        return;
      }
    };
    const ended = (): void => {
      answer('interrupted');
    };
    const moot = (): void => {
      answer(undefined);
    };
    // Else the terminal waits for the end of a line, and makes a signal of Ctrl-C.
    stdin.setRawMode(true);
    stdin.on('data', typed).once('end', ended).resume();
    signal.addEventListener('abort', moot, { once: true });
  });
}
