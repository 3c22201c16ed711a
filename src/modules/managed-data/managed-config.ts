/** Of one MB in maxSizeMb. */
export const BYTES_IN_MB = 1_048_576;

/** The config of a managed datastore, as it is stored. */
export interface ManagedConfig {
  readonly dataStructureId?: string | null;
  readonly maxSizeMb: number;
}
