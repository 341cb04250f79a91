import type { NamedVolume } from '../volumes/volume.js';
import type { FoundVolumes } from '../volumes/volumesOrder.js';

/**
 * Which of a guest's volumes are mounted, and why the others are not. Where the guest names its volumes by letters, one without a letter is none of its
 * user's: a boot or recovery partition (F6). Elsewhere one without a name is mounted by its place on the disks.
 */
export function wantedVolumes({ volumes, disks, notes }: FoundVolumes): {
  readonly wanted: readonly NamedVolume[];
  readonly notes: readonly string[];
} {
  const hasLetters = volumes.some(({ name }) => name?.endsWith(':') === true);
  const isPassedOver = ({ name }: NamedVolume): boolean => name === undefined && hasLetters;
  return {
    wanted: volumes.filter((volume) => volume.refusal === undefined && !isPassedOver(volume)),
    notes: [
      ...disks.map(({ disk, refusal }) => `disk ${disk}: ${refusal}`),
      ...volumes.flatMap((volume) => {
        const { id, name, refusal } = volume;
        const called = name === undefined ? `volume ${id}` : `volume ${id} (${name})`;
        if (refusal !== undefined) return [`${called} is not mounted: ${refusal}`];
        return isPassedOver(volume) ? [`${called} is not mounted: it has no letter`] : [];
      }),
      ...notes,
    ],
  };
}
