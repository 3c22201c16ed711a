import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { PeerPrograms } from './installed.ts';
import { endProcess, owned, startPeer } from './own-process.ts';
import { pythonOf } from './vendor-clients.ts';

const python = pythonOf('mysql-mimic');
const script = join(import.meta.dirname, '../../peers/mysql-mimic/server.py');
const ENVIRONMENT = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', PYTHONDONTWRITEBYTECODE: '1' };

export const MYSQL_MIMIC: PeerPrograms = { programs: [python], script: '.ci/peers/python mysql-mimic' };

/** A MySQL server made of mysql-mimic, on loopback, in clear text. */
export interface MysqlMimic {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts a server whose users all have this password. */
export function startMysqlMimic(password: string): Promise<MysqlMimic> {
  return startPeer(async () => {
    const child = owned(spawn(python, [script, password], { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] }));
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (log.length < 20_000) log += text;
    });
    for await (const line of createInterface(child.stdout))
      return { port: Number(line), close: () => endProcess(child) };
    throw new Error(`mysql-mimic did not start:\n${log}`);
  });
}
