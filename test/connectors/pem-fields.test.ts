import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type ConfigValues, leavesOf } from '../../src/connectors/kit/config/shape.ts';
import { tls } from '../../src/connectors/kit/config/tls.ts';
import type { Connector } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { fieldIssue } from '../../src/errors/field-issues.ts';
import { canaryConfigs, misplacedKeys, openConfigs, openTextPaths, withMisplaced } from '../support/canaries.ts';
import { createAuthority } from '../support/certificates.ts';
import { pemForms } from '../support/pem-forms.ts';
import { stands } from '../support/stands/index.ts';

const authority = await createAuthority();
const { certificate, key } = await authority.issue({ client: true });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const rsa = other.export({ type: 'pkcs8', format: 'pem' }).toString();
const sealed = other.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();

const texts = (connector: Connector) =>
  leavesOf(connector.config).filter(({ schema }) => schema instanceof z.core.$ZodString);
const parsed = (schema: z.core.$ZodType, value: string) => (schema as z.ZodType).safeParse(value).data;
const takesKey = (schema: z.core.$ZodType) => parsed(schema, rsa) === rsa && parsed(schema, 'words') === undefined;
const takesCertificate = (schema: z.core.$ZodType) =>
  parsed(schema, certificate)?.toString().includes('CERTIFICATE-----') && parsed(schema, 'words') === undefined;

describe.each(connectors.map((connector) => [connector.type, connector] as const))('%s', (_type, connector) => {
  it('reads PEM by the one reader wherever its description says PEM', () => {
    for (const { path, schema, description } of texts(connector)) {
      const isPem = takesKey(schema) || takesCertificate(schema) || false;
      expect([path, isPem]).toEqual([path, /\bPEM\b/.test(description ?? '')]);
      const pem = takesKey(schema) ? rsa : `${certificate.trim()}\n`;
      if (isPem) for (const written of Object.values(pemForms)) expect(parsed(schema, written(pem))).toBe(pem);
    }
  });

  it('takes no private key, and no password in a URL, in a text that is read back, and names that text', () => {
    const stand = stands.find((each) => each.connector === connector);
    const works = (stand?.config ?? connector.example) as ConfigValues;
    const configs = openConfigs(
      connector,
      works,
      canaryConfigs(connector, works, () => undefined),
    );
    for (const path of openTextPaths(connector)) {
      for (const text of misplacedKeys) {
        const { error } = connector.config.safeParse(withMisplaced(configs, path, text));
        expect(error?.issues.map((found) => found.path.join('.'))).toContain(path);
      }
      // PEM fields leave out what stands around their blocks
      const { data } = connector.config.safeParse(withMisplaced(configs, path, 'http://user:pw@host.example'));
      expect(JSON.stringify(data ?? null)).not.toContain('user:pw');
    }
  });
});

describe('the tls block', () => {
  const block = tls();
  const outcome = (value: object) => {
    const { data, error } = block.safeParse(value);
    return data ?? error?.issues.map((found) => [found.path.join('.'), fieldIssue(found, []).code, found.message]);
  };
  const kept = { mode: 'VERIFY_FULL', clientCertificate: `${certificate.trim()}\n`, clientKey: `${key.trim()}\n` };

  it.each([
    ['behind it', certificate + key],
    ['before it', key + certificate],
  ])('drops the key that stands beside the client certificate, %s, where clientKey is the same', (_where, both) => {
    expect(outcome({ clientCertificate: both, clientKey: both })).toEqual(kept);
    expect(outcome({ clientCertificate: both, clientKey: `"${key.replaceAll('\n', '\\n')}"` })).toEqual(kept);
    expect(outcome({ ...kept, caCertificate: authority.certificate + key })).toEqual({
      ...kept,
      caCertificate: `${authority.certificate.trim()}\n`,
    });
  });

  it.each([
    ['clientCertificate', { clientCertificate: certificate + key }],
    ['clientCertificate', { clientCertificate: certificate + key, clientKey: rsa }],
    ['clientCertificate', { clientCertificate: certificate + sealed, clientKey: rsa }],
    ['caCertificate', { caCertificate: authority.certificate + authority.key }],
    ['caCertificate', { ...kept, caCertificate: authority.key + authority.certificate }],
  ])('refuses another key in %s', (field, value) => {
    expect(outcome(value)).toEqual([
      [field, 'SECRET_IN_OPEN_FIELD', expect.stringContaining('The key belongs in clientKey')],
    ]);
  });

  it('takes an encrypted key with its passphrase, and neither alone', () => {
    const encrypted = { clientCertificate: certificate, clientKey: sealed };
    expect(outcome({ ...encrypted, clientKeyPassphrase: 'x' })).toMatchObject({ clientKeyPassphrase: 'x' });
    expect(outcome(encrypted)).toEqual([['clientKeyPassphrase', 'REQUIRED', expect.stringContaining('encrypted')]]);
    expect(outcome({ clientKeyPassphrase: 'x' })).toEqual([
      ['clientKeyPassphrase', 'INVALID_COMBINATION', expect.any(String)],
    ]);
  });

  it('takes a bundle of CAs of 256 KiB, and no longer one', () => {
    const room = 262_144;
    const [long] = [certificate.trim()];
    const one = `${long}\n`;
    const many = Array.from({ length: Math.floor(room / one.length) }, (_, serial) => renumbered(one, serial)).join('');
    expect(many.length).toBeGreaterThan(250_000);
    expect(outcome({ caCertificate: many })).toMatchObject({ caCertificate: many });
    expect(outcome({ caCertificate: many + ' '.repeat(room) })).toEqual([
      ['caCertificate', 'TOO_LONG', expect.anything()],
    ]);
    expect(outcome({ clientCertificate: many, clientKey: key })).toEqual([
      ['clientCertificate', 'TOO_LONG', expect.anything()],
    ]);
  });

  it('takes what it has kept once more, however long it was made by its line breaks', () => {
    const flat = `${certificate.replaceAll('\n', '')}${authority.certificate.replaceAll('\n', '')}`;
    const first = outcome({ caCertificate: flat });
    expect(outcome(first as object)).toEqual(first);
  });
});

/** Another certificate of the same length. */
function renumbered(pem: string, number: number): string {
  const lines = pem.split('\n');
  const at = 3;
  lines[at] = number.toString(36).padStart(8, '0') + (lines[at] ?? '').slice(8);
  return lines.join('\n');
}
