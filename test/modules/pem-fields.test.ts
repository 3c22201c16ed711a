import { beforeAll, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../support/certificates.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { TlsInput, TlsPatch } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import { expectType, issueList } from '../support/results.ts';

const SIZE_OF_AMAZONS = { certificates: 108, characters: 165_000 };

describeEachGateway('certificates and keys', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;
  let authority: Authority;
  let client: IssuedCertificate;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
    authority = await createAuthority();
    client = await authority.issue({ client: true });
  });

  const config = (tls: TlsInput) => ({ postgres: postgresConfig({ tls }) });
  const created = (tls: TlsInput) => api.created({ environmentId, config: config(tls) });
  const changed = (id: string, tls: TlsPatch) => api.update({ id, config: { postgres: { tls } } });
  const normal = (pem: string) => `${pem.trim()}\n`;

  test('come back as certificates alone, and a change with the same key beside one is none', async () => {
    const both = `Bag Attributes\r\n${client.certificate}\r\nKey Attributes: <No Attributes>\r\n${client.key}`;
    const { id, configJson } = await created({ mode: 'REQUIRE', clientCertificate: both, clientKey: both });
    expect(configJson).toMatchObject({ tls: { mode: 'REQUIRE', clientCertificate: normal(client.certificate) } });
    const again = expectType(await changed(id, { clientCertificate: both }), 'UpdateDatastoreSuccess').datastore;
    expect(again).toMatchObject({ version: 1, configJson });
    const key = /[A-Za-z0-9+/]{60}/.exec(client.key)?.[0] ?? '';
    expect(JSON.stringify(again)).not.toContain(key);
    expect(gateway.log()).not.toContain(key);
  });

  test('are refused where a key would be read back', async () => {
    const text = client.certificate + client.key;
    const alone = await api.create({ environmentId, config: config({ clientCertificate: text }) });
    const at = (field: string) => [`input.config.postgres.tls.${field} SECRET_IN_OPEN_FIELD`];
    expect(issueList(expectType(alone, 'ValidationError'))).toEqual(at('clientCertificate'));
    const { id } = await created({ clientCertificate: client.certificate, clientKey: client.key });
    const other = await authority.issue({ client: true });
    for (const field of ['clientCertificate', 'caCertificate'] as const) {
      const change = await changed(id, { [field]: other.certificate + other.key });
      expect(issueList(expectType(change, 'ValidationError'))).toEqual(at(field));
    }
  });

  test('may be as many as Amazon has for its databases', async () => {
    const { certificates, characters } = SIZE_OF_AMAZONS;
    const padding = 'x'.repeat(450);
    const authorities = await Promise.all(
      Array.from({ length: certificates }, (_, number) => createAuthority(`CA ${number} ${padding}`)),
    );
    const bundle = authorities.map(({ certificate }) => normal(certificate)).join('');
    expect(bundle.length).toBeGreaterThan(characters);
    const { configJson } = await created({ caCertificate: bundle.replaceAll('\n', '\r\n') });
    expect(configJson).toMatchObject({ tls: { caCertificate: bundle } });
  });

  test('keep the passphrase of a key as a secret', async () => {
    const { secrets } = await created({
      clientCertificate: client.certificate,
      clientKey: client.key,
      clientKeyPassphrase: 'not needed',
    });
    expect(secrets).toContainEqual({ path: 'tls.clientKeyPassphrase', isSet: true, updatedAt: expect.any(String) });
  });
});
