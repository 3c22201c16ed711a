import { existsSync } from 'node:fs';
import type { Env } from '../env.ts';
import { letHeapGrow } from '../heap-at-start.ts';
import type { Logger } from '../platform/telemetry/logger.ts';

export const AS_ROOT = 'The gateway runs as root, which it needs for nothing: give it a user of its own.';
/**
 * A second signal ends the process at once, unless it comes along with the first, as the terminal and npm send both.
 */
const SECOND_SIGNAL_MS = 1_000;

/** What runs until it is told to stop. */
interface Service {
  listen(): Promise<void>;
  close(): Promise<void>;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

export function warnOfRoot(logger: Logger): void {
  if (isRoot()) logger.warn(AS_ROOT);
}

/** In production no key is made by the way. @throws Error where there is none */
export function requireKeyFile({ keyCommand, keyFile }: Pick<Env, 'keyCommand' | 'keyFile'>): void {
  if (keyCommand !== undefined || existsSync(keyFile)) return;
  const command = `KEY_FILE=${keyFile} datastore-gateway key create`;
  throw new Error(
    `There is no key file at ${keyFile}. Every process of one database has the same: copy it there. "${command}" makes the first one; keep a copy of it in a safe place.`,
  );
}

/** Listens. The first SIGTERM or SIGINT drains and ends the process with 0; a later one ends it at once. */
export async function runUntilSignal(service: Service, logger: Logger, afterwards?: () => unknown): Promise<void> {
  let stoppedAt: number | undefined;
  const stop = () => {
    if (stoppedAt === undefined) {
      stoppedAt = performance.now();
      service
        .close()
        .then(afterwards)
        .then(
          () => process.exit(0),
          (error: unknown) => fail(error),
        );
    } else if (performance.now() - stoppedAt > SECOND_SIGNAL_MS) {
      process.exit(1);
    }
  };
  const fail = (error: unknown) => {
    logger.fatal({ err: error }, 'the gateway failed');
    process.exit(1);
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  process.on('uncaughtException', fail).on('unhandledRejection', fail);
  await service.listen().catch(async (error: unknown) => {
    await service.close();
    throw error;
  });
  letHeapGrow();
}
