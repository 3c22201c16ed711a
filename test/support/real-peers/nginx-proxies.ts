import { once } from 'node:events';
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { IssuedCertificate } from '../certificates.ts';
import { NGINX, startNginx } from '../peers/nginx.ts';
import { freePorts } from '../peers/own-process.ts';
import { closedPort } from '../peers/tarpit.ts';
import { stands } from '../stands/index.ts';
import type { StandPeer } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

const NO_HTTP = 'It speaks HTTP, and the type does not.';

/** One for each type that connects to something: nginx stands where its server should. */
export const nginxProxies: readonly RealPeer[] = stands
  .filter(({ connector }) => !connector.runsInGateway)
  .map((stand) => ({
    name: 'nginx 1.22',
    programs: NGINX,
    version: ['nginx', '-v'],
    role: 'a proxy',
    stand: { ...stand, startWebServer },
    cannot:
      stand.clearStart === undefined && stand.connector.type !== 'MONGODB'
        ? {}
        : { 'nothing behind the proxy': NO_HTTP, 'a limit is reached': NO_HTTP },
  }));

/** An nginx that answers every request with this status, for the reason that it has for it by itself. */
async function startWebServer(status: number, certificate: IssuedCertificate | undefined): Promise<StandPeer> {
  const [port = 0] = await freePorts(1);
  const locations: Readonly<Record<number, string>> = {
    // there is no file
    404: 'root FILES/nothing;',
    403: 'deny all;',
    503: `proxy_pass http://127.0.0.1:${await closedPort()};`,
    429: 'limit_req zone=one; limit_req_status 429;',
  };
  const tls = certificate ? 'ssl_certificate FILES/server.crt; ssl_certificate_key FILES/server.key;' : '';
  const nginx = await startNginx(
    `limit_req_zone $server_port zone=one:1m rate=1r/m;
    server {
      listen 127.0.0.1:${port} ${certificate ? 'ssl' : ''};
      ${tls}
      location / { ${locations[status]} }
    }`,
    certificate ? { 'server.crt': certificate.certificate, 'server.key': certificate.key } : {},
  );
  // of so many it takes one a minute
  if (status === 429) await askFor(port, certificate !== undefined);
  return { port, close: () => nginx.close() };
}

async function askFor(port: number, overTls: boolean): Promise<void> {
  const where = { host: '127.0.0.1', port, path: '/' };
  const asked = overTls ? secureRequest({ ...where, rejectUnauthorized: false }) : request(where);
  const [answer] = await once(asked.end(), 'response');
  answer.resume();
}
