import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Ends what was started for a directory, and removes it, when its standard input does: QEMU leaves its parent, so that no
 * signal of a parent's death reaches it. Twice, since a dying daemon may have started one more.
 */
const SCRIPT = `
cat > /dev/null
for again in 1 2; do
  for process in /proc/[0-9]*; do
    case $(readlink "$process/exe") in
      */libvirtd | */qemu-system-*) grep -qaF "$1/" "$process/cmdline" && kill -9 "\${process#/proc/}" && sleep 0.02 ;;
    esac
  done
done 2> /dev/null
for again in 1 2 3 4 5; do rm -rf "$1" && break; sleep 0.1; done
`;

/** Ties a lab's directory and the VMs in it to this process; returns what lets go of them before it ends. */
export function tether(directory: string): () => Promise<void> {
  const child = spawn('sh', ['-c', SCRIPT, 'everthaw-lab-tether', directory], {
    stdio: ['pipe', 'ignore', 'inherit'],
    // Not in the terminal's group: an interrupt is for the tests, and what is to be ended comes after it.
    detached: true,
  });
  child.unref();
  return async () => {
    if (child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.ref();
    child.stdin.end();
    await exited;
  };
}
