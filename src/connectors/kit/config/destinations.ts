import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { type ConfigValues, leavesOf, once, valueAt } from './shape.ts';

/** What is asked of a connector here. */
interface Configured {
  readonly type: string;
  readonly config: z.ZodObject;
}

const destinationPaths = new WeakMap<z.core.$ZodObject, readonly string[]>();

/** The paths of the fields that decide where a connector's secrets are sent. */
export function destinationPathsOf({ config }: Configured): readonly string[] {
  return once(destinationPaths, config, () =>
    leavesOf(config).flatMap(({ mark, path }) => (mark.destination ? [path] : [])),
  );
}

/**
 * A digest of a type and of what its parsed config has at these paths, missing values included. Secrets are sealed for
 * it, so that they do not open beside other destinations.
 */
export function destinationsDigest(type: string, config: ConfigValues, paths: readonly string[]): string {
  const values = paths.map((path) => [path, valueAt(config, path) ?? null]);
  return createHash('sha256')
    .update(JSON.stringify([type, values]))
    .digest('base64url');
}
