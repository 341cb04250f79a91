import { EverthawError } from './errors.js';

/** What no path of Linux or Windows can have, and halves of characters, which no file system keeps. */
const UNSAFE = /[%/\\:*?"<>|\p{Cc}\p{Cs}]/gu;
const LONGEST_NAME_BYTES = 255;
/** Room for `-fullVM.partial-<uuid>` behind the name. */
const SUFFIX_BYTES = 60;

/**
 * A VM's name, or another that others chose, as a file name, reversibly (F6a): what is unsafe in a path on Linux or Windows is percent-encoded by its code in
 * UTF-16 (`%2F`, `%uD800`), and so are a leading or closing dot or space, so that `.` and `..` cannot be said.
 *
 * @throws EverthawError WrongUsage where the name is empty or too long for a file system.
 */
export function fileNameOf(vmName: string): string {
  const name = vmName.replace(UNSAFE, encoded).replace(/^[. ]/, encoded).replace(/[. ]$/, encoded);
  const sizeBytes = new TextEncoder().encode(name).length;
  if (name === '' || sizeBytes > LONGEST_NAME_BYTES - SUFFIX_BYTES) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `take ${JSON.stringify(vmName)} as a file name`,
      why:
        name === ''
          ? 'it is empty'
          : `it takes ${sizeBytes} bytes, ${LONGEST_NAME_BYTES - SUFFIX_BYTES} are possible`,
      hint: 'give the backup directory a name of its own',
    });
  }
  return name;
}

/** The VM's name that {@link fileNameOf} made a file name of. */
export function vmNameOf(fileName: string): string {
  return fileName.replace(/%(?:u([0-9A-F]{4})|([0-9A-F]{2}))/g, (_, long?: string, short?: string) =>
    String.fromCharCode(parseInt(long ?? short ?? '', 16)),
  );
}

function encoded(character: string): string {
  const code = character.charCodeAt(0).toString(16).toUpperCase();
  return code.length > 2 ? `%u${code}` : `%${code.padStart(2, '0')}`;
}
