import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerPrograms } from './installed.ts';
import { endProcess, owned } from './own-process.ts';

export const NGINX: PeerPrograms = { programs: ['nginx'], packages: ['nginx-light'] };

/** An nginx of its own. */
export interface Nginx {
  close(): Promise<void>;
}

/**
 * Starts nginx with what stands in its `http` block. `files` are put beside it, and are named in the block as
 * FILES/name.
 */
export async function startNginx(http: string, files: Readonly<Record<string, string>>): Promise<Nginx> {
  const home = await mkdtemp(join(tmpdir(), 'gateway-nginx-'));
  await chmod(home, 0o755);
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text);
  const config = `
    daemon off;
    worker_processes 1;
    pid ${home}/nginx.pid;
    error_log stderr notice;
    events {}
    http {
      access_log off;
      client_body_temp_path ${home}/body;
      proxy_temp_path ${home}/proxy;
      fastcgi_temp_path ${home}/fastcgi;
      uwsgi_temp_path ${home}/uwsgi;
      scgi_temp_path ${home}/scgi;
      ${http.replaceAll('FILES/', `${home}/`)}
    }`;
  await writeFile(join(home, 'nginx.conf'), config);
  const args = ['-p', home, '-e', 'stderr', '-c', join(home, 'nginx.conf')];
  const child = owned(
    spawn('nginx', args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: `${process.env.PATH}:/usr/sbin` },
    }),
    // its worker ends with it, which a master that is killed would leave behind
    'SIGTERM',
  );
  let log = '';
  child.stderr.setEncoding('utf8');
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (text: string) => {
      log += text;
      if (log.includes('start worker process ')) resolve();
    });
    child.once('error', reject).once('exit', () => reject(new Error(`nginx did not start:\n${log}`)));
  });
  return {
    async close() {
      await endProcess(child);
      await rm(home, { recursive: true, force: true });
    },
  };
}
