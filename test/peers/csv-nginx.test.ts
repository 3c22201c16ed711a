import { expect, test } from 'vitest';
import { describeCauses } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import { NGINX, startNginx } from '../support/peers/nginx.ts';
import { freePorts } from '../support/peers/own-process.ts';
import { CLIENTS, csvStand } from '../support/stands/csv.ts';
import type { Stand, StartPeer } from '../support/stands/stand.ts';
import { useStand } from '../support/use-stand.ts';

/** A file that nginx serves to who has the query of its URL, under its own path and behind a redirect. */
const startFiles: StartPeer = async (certificate) => {
  const [port = 0] = await freePorts(1);
  const tls = certificate ? 'ssl_certificate FILES/server.crt; ssl_certificate_key FILES/server.key;' : '';
  const nginx = await startNginx(
    `server {
      listen 127.0.0.1:${port} ${certificate ? 'ssl' : ''};
      ${tls}
      types { text/csv csv; }
      absolute_redirect off;
      location = /moved.csv { return 302 /data/clients.csv?signature=5f2b8c; }
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

const nginxStand: Stand = { ...csvStand, start: startFiles };

describePeer('CSV files of nginx', NGINX, () => {
  const { tryIt } = useStand(nginxStand);

  test('are fetched, and told of', async () => {
    const { failure, evidence } = await tryIt();
    expect(failure).toBeNull();
    expect(evidence).toMatchObject({
      'file/get': { bytes: String(CLIENTS.length), truncated: 'false', mediaType: 'text/csv' },
      'file/parse': { columns: '4', rows: '2', delimiter: ',' },
    });
  });

  test('are followed behind a redirect', async () => {
    const { failure, evidence } = await tryIt({ 'source.url': 'https://files.example/moved.csv', urlQuery: undefined });
    expect(failure).toBeNull();
    expect(evidence).toMatchObject({ 'file/get': { redirects: '1' } });
  });

  describeCauses(nginxStand, [
    'wrong password or key',
    'missing name',
    'no right',
    'self-signed',
    'for another name',
    'expired',
  ]);
});
