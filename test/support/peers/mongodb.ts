import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { PeerPrograms } from './installed.ts';
import { endProcess, owned } from './own-process.ts';

/** SCRAM, SASLprep and BSON that are not ours. */
export const PERL_MONGODB: PeerPrograms = {
  programs: ['perl'],
  perlModules: ['Authen::SCRAM::Server', 'BSON::XS'],
  packages: ['libauthen-scram-perl', 'libbson-xs-perl'],
};

/** What the server holds: it cannot be asked for it. */
export interface PerlMongodbData {
  readonly users: Readonly<
    Record<
      string,
      {
        readonly password: string;
        readonly mechanisms: readonly string[];
        readonly may: readonly ('read' | 'write')[];
        readonly rounds?: number;
      }
    >
  >;
  /**
   * By database and name; `fields` are name, type and number of documents, as the one pipeline that is asked for gives
   * them.
   */
  readonly databases: Readonly<
    Record<string, Readonly<Record<string, { readonly view?: boolean; readonly fields?: readonly unknown[] }>>>
  >;
}

export interface PerlMongodb {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts mongodb.pl on a free loopback port. */
export async function startPerlMongodb(data: PerlMongodbData): Promise<PerlMongodb> {
  const script = fileURLToPath(new URL('mongodb.pl', import.meta.url));
  const child = owned(spawn('perl', [script], { stdio: ['pipe', 'pipe', 'inherit'], env: { PATH: process.env.PATH } }));
  child.stdin.end(JSON.stringify(data));
  const [line] = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(() => ['']),
  ]);
  if (!/^\d+$/.test(line)) throw new Error('mongodb.pl did not start.');
  return {
    port: Number(line),
    stop: () => endProcess(child),
  };
}
