import { execFile, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { PeerPrograms } from './installed.ts';
import { endProcess, freePorts, hasEnded, owned, startPeer } from './own-process.ts';
import { pythonOf } from './vendor-clients.ts';

const python = pythonOf('moto');
const run = promisify(execFile);
const ENVIRONMENT = {
  PATH: '/usr/bin:/bin',
  HOME: '/nonexistent',
  PYTHONDONTWRITEBYTECODE: '1',
  // it takes every host for that of a bucket, whatever the path says
  S3_IGNORE_SUBDOMAIN_BUCKETNAME: 'true',
};
/** How often it is looked whether the server answers, and their pause. */
const TRIES = 600;
const PAUSE_MS = 100;

export const MOTO: PeerPrograms = { programs: [python], script: '.ci/peers/python moto' };

export interface AwsKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** AWS as moto plays it, over HTTP on loopback: it verifies signatures and asks IAM for every right. */
export interface MotoServer {
  readonly port: number;
  readonly url: string;
  /** By the name of the user. */
  readonly keys: Readonly<Record<string, AwsKey>>;
  /** Takes the next so many requests without a signature; from then on rights are asked for again. */
  letThrough(requests: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server and has `script` make what is to be there; from then on rights are asked for. About 3 seconds. */
export function startMoto(script: string): Promise<MotoServer> {
  return startPeer(async () => {
    const [port = 0] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const child = owned(
      spawn(python, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], {
        env: ENVIRONMENT,
        stdio: 'ignore',
      }),
    );
    const stop = () => endProcess(child);
    try {
      for (let tries = 0; !(await answers(url)); tries += 1) {
        if (tries === TRIES || hasEnded(child)) throw new Error('moto did not start');
        await sleep(PAUSE_MS);
      }
      const { stdout } = await run(python, [script, url], { env: ENVIRONMENT });
      const letThrough = async (requests: number) => {
        const { ok } = await fetch(`${url}/moto-api/reset-auth`, { method: 'POST', body: String(requests) });
        if (!ok) throw new Error('moto asks for no rights');
      };
      await letThrough(0);
      return { port, url, keys: JSON.parse(stdout) as MotoServer['keys'], letThrough, stop };
    } catch (error) {
      await stop();
      throw error;
    }
  });
}

function answers(url: string): Promise<boolean> {
  return fetch(`${url}/moto-api/data.json`).then(
    (response) => response.ok,
    () => false,
  );
}
