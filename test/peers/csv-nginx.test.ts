import { expect, test } from 'vitest';
import { describeCauses } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import { nginxFiles } from '../support/real-peers/nginx-files.ts';
import { CLIENTS } from '../support/stands/csv.ts';
import { useStand } from '../support/use-stand.ts';

describePeer('CSV files of nginx', nginxFiles.programs, () => {
  const used = useStand(nginxFiles.stand);
  const { tryIt } = used;

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

  describeCauses(nginxFiles, used);
});
