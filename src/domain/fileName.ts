import { EverthawError } from './errors.js';

const UNSAFE = /[%/\\:*?"<>|\p{Cc}]/gu;
const LONGEST_NAME_BYTES = 255;
/** Room for `-fullVM.partial-<uuid>` behind the name. */
const SUFFIX_BYTES = 60;

/**
 * A VM's name as a file name, reversibly (F6a): what is unsafe in a path on Linux or Windows is percent-encoded, and so
 * are a leading or closing dot or space, so that `.` and `..` cannot be said.
 *
 * @throws EverthawError WrongUsage where the name is empty or too long for a file system.
 */
export function fileNameOf(vmName: string): string {
  const name = vmName
    .replace(UNSAFE, encodeURIComponentOfByte)
    .replace(/^[. ]/, encodeURIComponentOfByte)
    .replace(/[. ]$/, encodeURIComponentOfByte);
  const sizeBytes = new TextEncoder().encode(name).length;
  if (name === '' || sizeBytes > LONGEST_NAME_BYTES - SUFFIX_BYTES) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `name a directory after VM ${JSON.stringify(vmName)}`,
      why:
        name === ''
          ? 'the name is empty'
          : `the name takes ${sizeBytes} bytes as a file name, ${LONGEST_NAME_BYTES - SUFFIX_BYTES} are possible`,
      hint: 'give the backup directory a name of its own',
    });
  }
  return name;
}

/** The VM's name that {@link fileNameOf} made a file name of. */
export function vmNameOf(fileName: string): string {
  return decodeURIComponent(fileName.replace(/%(?![0-9A-F]{2})/g, '%25'));
}

function encodeURIComponentOfByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
