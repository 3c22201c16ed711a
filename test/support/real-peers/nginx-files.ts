import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { expect } from 'vitest';
import { NGINX, startNginx } from '../peers/nginx.ts';
import { freePorts } from '../peers/own-process.ts';
import { CLIENTS, csvStand } from '../stands/csv.ts';
import type { StandPeer, StartPeer } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

/** A file that nginx serves to who has the query of its URL, under its own path and behind a redirect. */
const startFiles: StartPeer = async (certificate) => {
  const [port = 0] = await freePorts(1);
  const tls = certificate ? 'ssl_certificate FILES/server.crt; ssl_certificate_key FILES/server.key;' : '';
  const nginx = await startNginx(
    `limit_req_zone $server_port zone=one:1m rate=1r/m;
    server {
      listen 127.0.0.1:${port} ${certificate ? 'ssl' : ''};
      ${tls}
      types { text/csv csv; }
      absolute_redirect off;
      location = /moved.csv { return 302 /data/clients.csv?signature=5f2b8c; }
      location = /limited.csv {
        limit_req zone=one;
        limit_req_status 429;
        alias FILES/clients.csv;
      }
      location /data/ {
        if ($args != "signature=5f2b8c") { return 403; }
        alias FILES/;
      }
    }`,
    {
      'clients.csv': CLIENTS,
      ...(certificate ? { 'server.crt': certificate.certificate, 'server.key': certificate.key } : {}),
    },
  );
  return { port, close: () => nginx.close() };
};

/** Asks for the file of which one a minute is given. */
async function useUp({ port }: StandPeer): Promise<undefined> {
  const asked = get({ host: '127.0.0.1', port, path: '/limited.csv', rejectUnauthorized: false });
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.resume();
  expect(answer.statusCode).toBe(200);
}

export const nginxFiles: RealPeer = {
  name: 'nginx 1.22',
  programs: NGINX,
  version: ['nginx', '-v'],
  stand: {
    ...csvStand,
    start: startFiles,
    limited: {
      change: { 'source.url': 'https://files.example/limited.csv' },
      during: useUp,
      code: 'TOO_MANY_REQUESTS',
      configPath: 'source.url',
    },
  },
};
