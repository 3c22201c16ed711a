import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { host } from '../../../../src/connectors/kit/config/host.ts';
import { tls } from '../../../../src/connectors/kit/config/tls.ts';
import { httpNeedsTlsDisabled, targetOfUrl, url } from '../../../../src/connectors/kit/config/url.ts';

function codesOf(schema: z.ZodType, value: unknown): unknown[] {
  const parsed = schema.safeParse(value);
  return parsed.success ? [] : parsed.error.issues.map((each) => ('params' in each ? each.params?.code : each.code));
}

describe('host()', () => {
  it.each([
    '127.1',
    '2130706433',
    '0x7f.1',
    '0x7f000001',
    '0177.0.0.1',
    '127.0.0.1.',
    'localhost.',
    'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
    '①②⑦.⓪.⓪.①',
    '%31%32%37.0.0.1',
    'fe80::1%eth0',
    'a,b,127.0.0.1',
    'db.example:5432',
    'user@db.example',
    'db example',
    'db.example\n',
    '/var/run/postgresql',
    'evil.example/#',
    'db.example//',
    'db.example\\',
    '/',
    '..',
    '\u212Aube.example',
  ])('refuses %j', (text) => {
    expect(codesOf(host(), text)).toEqual(['INVALID_FORMAT']);
  });

  it.each(['http://good.example@127.0.0.1/', 'file:///etc/passwd', 'gopher://db.example'])(
    'refuses the URL %s',
    (text) => {
      expect(codesOf(host(), text)).toEqual(['URL_IN_HOST']);
    },
  );

  it.each([
    ['Db.Example', 'db.example'],
    ['127.0.0.1', '127.0.0.1'],
    ['[::1]', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:DB8::A', '2001:db8::a'],
    ['localhost', 'localhost'],
    ['my_db-1.internal', 'my_db-1.internal'],
    ['db.example/', 'db.example'],
  ])('takes %s as %s', (text, normal) => {
    expect(host().parse(text)).toBe(normal);
  });
});

it('says what takes the place of an instance’s name', () => {
  expect(host().safeParse('SQL01\\SQLEXPRESS').error?.issues[0]?.message).toContain('give the instance’s port instead');
});

it('says how a name with other letters is written', () => {
  const said = (text: string) => host().safeParse(text).error?.issues[0]?.message;
  expect(said('bücher.example')).toContain('xn--');
  expect(said('db example')).not.toContain('xn--');
});

describe('url()', () => {
  it.each([
    ['https://Example.com/', 'https://example.com'],
    ['HTTPS://Example.com/Data//', 'https://example.com/Data'],
    ['https://example.com:443', 'https://example.com:443'],
    ['http://127.0.0.1:6333', 'http://127.0.0.1:6333'],
    ['http://[::1]:80/a/b', 'http://[::1]:80/a/b'],
    ['https://[2001:DB8:0::1]', 'https://[2001:db8::1]'],
  ])('takes %s as %s', (text, normal) => {
    expect(url().parse(text)).toBe(normal);
    expect(url().parse(normal)).toBe(normal);
  });

  it.each([
    'db.example',
    'ftp://db.example',
    'gopher://db.example',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'https:/db.example',
    'https:db.example',
    'https://',
    'https:///db.example',
    'http://good.example@127.0.0.1/',
    'http://user@db.example/',
    'http://127.0.0.1:80\\@good.example/',
    'https://db.example\\x',
    'https://db.example?x',
    'https://db.example/a?x=1',
    'https://db.example/#x',
    'https://127.1/',
    'https://0x7f.1',
    'https://2130706433/',
    'https://0177.0.0.1/',
    'https://localhost./',
    'https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/',
    'https://①②⑦.⓪.⓪.①',
    'https://%31%32%37.0.0.1/',
    'https://db%2eexample/',
    'https://::1/',
    'https://[fe80::1%25eth0]/',
    'https://[::1/',
    'https://db.example:/',
    'https://db.example:x/',
    'https://a,b,127.0.0.1/',
    'https://db .example/',
    'https://db.exa\nmple/',
    ' https://db.example',
    'https://db.example/ä',
  ])('refuses %j', (text) => {
    expect(codesOf(url(), text)).toEqual(['INVALID_FORMAT']);
  });

  it('refuses a password as a secret in the wrong place', () => {
    expect(codesOf(url(), 'http://user:password@db.example/')).toEqual(['SECRET_IN_OPEN_FIELD']);
    expect(codesOf(url(), 'https://:a%40b@[::1]:8443')).toEqual(['SECRET_IN_OPEN_FIELD']);
    expect(codesOf(url(), 'https://db.example/a:b@c')).toEqual([]);
  });

  it.each(['https://db.example:0', 'https://db.example:65536', 'https://db.example:99999999999'])(
    'refuses the port of %s',
    (text) => {
      expect(codesOf(url(), text)).toEqual(['OUT_OF_RANGE']);
    },
  );

  it('takes no host that is longer than a name can be', () => {
    const longest = `${'a.'.repeat(126)}b`;
    expect(longest).toHaveLength(253);
    for (const text of [`https://${longest}`, `https://${longest}:443/a`]) expect(codesOf(url(), text)).toEqual([]);
    for (const text of [`https://a${longest}`, `https://a${longest}:443/a`])
      expect(codesOf(url(), text)).toEqual(['TOO_LONG']);
    expect(codesOf(host(), `a${longest}`)).toEqual(['too_big']);
  });

  it('takes the protocols that it is told', () => {
    expect(codesOf(url({ protocols: ['https'] }), 'http://db.example')).toEqual(['INVALID_FORMAT']);
    expect(url({ protocols: ['https'] }).parse('https://db.example')).toBe('https://db.example');
  });
});

describe('httpNeedsTlsDisabled', () => {
  const schema = z
    .object({ baseUrl: url().optional(), tls: tls() })
    .superRefine((value, context) => httpNeedsTlsDisabled(value, context, 'baseUrl'));

  const issuesOf = (value: unknown) => (schema.safeParse(value).error?.issues ?? []).map((each) => each.path.join('.'));

  it('asks for tls.mode DISABLE with http, and for anything else with https', () => {
    expect(issuesOf({ baseUrl: 'http://db.example' })).toEqual(['baseUrl']);
    expect(issuesOf({ baseUrl: 'http://db.example', tls: { mode: 'REQUIRE' } })).toEqual(['baseUrl']);
    expect(issuesOf({ baseUrl: 'http://db.example', tls: { mode: 'DISABLE' } })).toEqual([]);
    expect(issuesOf({ baseUrl: 'https://db.example', tls: { mode: 'DISABLE' } })).toEqual(['tls.mode']);
    expect(issuesOf({ baseUrl: 'https://db.example' })).toEqual([]);
    expect(issuesOf({ tls: { mode: 'DISABLE' } })).toEqual([]);
  });
});

describe('targetOfUrl', () => {
  const block = tls().parse(undefined);
  const paths = { hostPath: 'baseUrl' };

  it('gives host, port and TLS', () => {
    expect(targetOfUrl('https://db.example/x', block, paths)).toEqual({
      host: 'db.example',
      port: 443,
      tls: block,
      hostPath: 'baseUrl',
      portPath: 'baseUrl',
    });
    expect(targetOfUrl('http://[::1]:8080', block, { ...paths, portPath: 'port' })).toEqual({
      host: '::1',
      port: 8080,
      tls: null,
      hostPath: 'baseUrl',
      portPath: 'port',
    });
    expect(targetOfUrl('http://db.example', block, paths).port).toBe(80);
  });

  it('takes the default port only where none was written', () => {
    expect(targetOfUrl('https://db.example', block, { ...paths, defaultPort: 6333 }).port).toBe(6333);
    expect(targetOfUrl('https://db.example:443', block, { ...paths, defaultPort: 6333 }).port).toBe(443);
  });
});
