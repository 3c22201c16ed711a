import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { gatewayRecords } from '../../src/commands/record-target.ts';
import { postOperation } from '../../src/platform/ask-gateway.ts';
import { createAuthority, createSelfSigned } from '../support/certificates.ts';
import { listenTls } from '../support/listener.ts';

const ask = (url: string) =>
  postOperation(
    { url: new URL(url), token: 'dsg_x' },
    { query: '{ viewer { __typename } }', variables: {} },
    'application/json',
    AbortSignal.timeout(10_000),
  );

test('a gateway whose certificate is not trusted is told as that, with what to do', async () => {
  const ips = ['127.0.0.1'];
  for (const issued of [await createSelfSigned({ ips }), await (await createAuthority()).issue({ ips })]) {
    const server = await listenTls({ cert: issued.certificate, key: issued.key }, () => undefined);
    onTestFinished(() => server.close());
    const error = await ask(`https://127.0.0.1:${server.port}`).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ message: expect.stringMatching(/is not trusted: NODE_EXTRA_CA_CERTS/) });
    expect((error as Error).cause).toMatchObject({ message: expect.stringMatching(/certificate/) });
  }
});

test('a gateway without TLS behind https:// is told as that, in words of our own, whatever is asked', async () => {
  const server = createServer((_request, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const records = gatewayRecords({ url: new URL(url), token: 'dsg_x' }, 'orders');
  for (const asks of [() => ask(url), () => records.export(new URLSearchParams())]) {
    const error = await asks().catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ message: `${url} answers, but without TLS that fits: is it http://?` });
    expect((error as Error).cause).toBeUndefined();
  }
});
