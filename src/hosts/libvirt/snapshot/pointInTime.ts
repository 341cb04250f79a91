import type { Libvirt } from '../connection/libvirt.js';

/** What became of taking a point in time, step by step. */
export interface PointInTime {
  /** File systems that were frozen; undefined where freezing was not asked for or failed. */
  readonly frozen: number | undefined;
  /** File systems that were still frozen when they were let go; undefined where nobody answered. */
  readonly thawed: number | undefined;
  readonly isTaken: boolean;
  /** What libvirt said to each. */
  readonly freezeSaid: string;
  readonly takeSaid: string;
  /** From before the freeze was asked for until after its end was answered. */
  readonly frozenMs: number;
  /** By the host's clock. */
  readonly at: string;
}

/**
 * For how long a thaw is tried again within the script, as while an agent is still busy with a freeze that took too long; after that
 * it is somebody else's to try.
 */
const THAW_SECONDS = 60;

/**
 * Freezes the guest where `freezeSeconds` says for how long that may take, takes the point in time, and thaws: on the host in one
 * go, so that no distance is between the three, and by a shell that goes on when whoever asked for it dies. A thaw is always
 * attempted, whatever became of the rest.
 */
export async function takePointInTime(
  { virsh }: Libvirt,
  hold: string,
  uuid: string,
  take: string,
  freezeSeconds: number | undefined,
): Promise<PointInTime> {
  const printed = await virsh.script(
    `take a point in time of VM ${uuid}`,
    SCRIPT,
    [...[hold, uuid, take], freezeSeconds === undefined ? '' : String(freezeSeconds)],
    { timeoutMs: 180_000 },
  );
  const outcome = new Map(
    printed.split('\n').map((line) => {
      const [name = '', base64 = ''] = line.split(' ');
      return [name, Buffer.from(base64, 'base64').toString('utf8').trim()];
    }),
  );
  const said = (name: string): string => outcome.get(name) ?? '';
  return {
    frozen: countOf(/Froze (\d+) filesystem/, said('freeze')),
    thawed: countOf(/Thawed (\d+) filesystem/, said('thaw')),
    isTaken: /^(Backup started|Domain snapshot .* created)$/m.test(said('take')),
    freezeSaid: said('freeze'),
    takeSaid: said('take')
      .replace(/^Thawed \d+ filesystem.*$/m, '')
      .trim(),
    at: new Date(Number(said('from')) / 1e6).toISOString(),
    frozenMs: Math.ceil((Number(said('until')) - Number(said('from'))) / 1e6),
  };
}

/** Waits until nobody takes a point in time for this hold any more: a shell may go on after the one who asked has died. */
export async function awaitPointInTime({ virsh }: Libvirt, hold: string): Promise<void> {
  await virsh.script(
    `wait for what is under way in ${hold}`,
    'cd "$1" 2> /dev/null || exit 0; exec 9>> lock && flock 9',
    [hold],
    {
      timeoutMs: 180_000,
    },
  );
}

function countOf(pattern: RegExp, said: string): number | undefined {
  const count = pattern.exec(said)?.[1];
  return count === undefined ? undefined : Number(count);
}

const SCRIPT = `
hold=$1 vm=$2 take=$3 limit=$4
ask() { env LC_ALL=C virsh -c "$uri" "$@" 2>&1 9>&-; }
tell() { printf '%s %s\\n' "$1" "$(printf %s "$2" | base64 -w0)"; }
exec 9>> "$hold/lock" && flock 9 && rm -f "$hold/outcome" || exit 1
(
  trap '' HUP INT TERM PIPE
  frozen= taken= thawed=
  from=$(date +%s%N)
  if [ -z "$limit" ]; then
    taken=$(ask "$take")
  else
    frozen=$(env LC_ALL=C timeout "$limit" virsh -c "$uri" domfsfreeze "$vm" 2>&1 9>&-)
    case $frozen in
      *Froze*) taken=$(ask "$take; domfsthaw $vm") thawed=$taken ;;
    esac
    deadline=$(($(date +%s) + ${THAW_SECONDS}))
    while :; do
      case $thawed in *Thawed*) break ;; esac
      thawed=$(ask domfsthaw "$vm")
      case $thawed in *Thawed*) break ;; esac
      [ "$(date +%s)" -lt "$deadline" ] || break
      sleep 0.5
    done
  fi
  until=$(date +%s%N)
  {
    tell freeze "$frozen"
    tell take "$taken"
    tell thaw "$thawed"
    tell from "$from"
    tell until "$until"
  } > "$hold/outcome"
) < /dev/null > /dev/null 2>&1 &
wait $!
cat "$hold/outcome"
`;
