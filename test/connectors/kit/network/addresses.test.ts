import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type EgressPolicy,
  judgeAddress,
  judgeBehindTunnel,
  judgeHostName,
  normalAddress,
  parseEgressAllow,
  parseEgressProxy,
} from '../../../../src/connectors/kit/network/addresses.ts';

const NOTHING: EgressPolicy = { allow: [], forbidden: [] };
const EVERYTHING: EgressPolicy = { allow: parseEgressAllow('0.0.0.0/0, ::/0'), forbidden: [] };

function allowing(text: string): EgressPolicy {
  return { allow: parseEgressAllow(text), forbidden: [] };
}

const PUBLIC = [
  '8.8.8.8',
  '1.1.1.1',
  '100.63.255.255',
  '100.128.0.0',
  '172.15.0.1',
  '172.32.0.1',
  '2606:4700::1111',
  '2a00::1',
];
const PUBLIC_CARRIED = [
  '::ffff:8.8.8.8',
  '::8.8.8.8',
  '::ffff:0:8.8.8.8',
  '64:ff9b::808:808',
  '64:ff9b:1::808:808',
  '2002:808:808::1',
];
const PRIVATE = [
  '127.0.0.1',
  '127.255.255.254',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '100.127.255.255',
  '192.0.2.1',
  '198.51.100.1',
  '203.0.113.1',
  '198.18.0.1',
  '::1',
  'fc00::1',
  'fdff::1',
  '2001:db8::1',
  '3fff::1',
];
const PRIVATE_CARRIED = [
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::127.0.0.1',
  '::ffff:0:127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b::10.0.0.1',
  '64:ff9b:1::7f00:1',
  '64:ff9b:1:7f00:0:100::',
  '2002:7f00:1::',
  '2002:c0a8:101::1',
  // Teredo: server 65.54.227.120, client 127.0.0.1 with all bits turned over
  '2001:0:4136:e378:8000:63bf:80ff:fffe',
];
const NEVER = [
  '0.0.0.0',
  '0.1.2.3',
  '169.254.0.1',
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  '192.88.99.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::2',
  'fe80::1',
  'fe80::1%eth0',
  'febf::1',
  'fec0::1',
  'ff02::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  '100::1',
  '2001:10::1',
  '4000::1',
];
const NEVER_CARRIED = [
  '::ffff:a9fe:a9fe',
  '::ffff:169.254.169.254',
  '::169.254.169.254',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b::6464:64c8',
  '64:ff9b:1::a83f:8110',
  '2002:a9fe:a9fe::1',
  // Teredo: client 169.254.169.254
  '2001:0:4136:e378:8000:63bf:5601:5601',
];

describe('judgeAddress', () => {
  it.each([...PUBLIC, ...PUBLIC_CARRIED])('lets %s through with nothing allowed', (ip) => {
    expect(judgeAddress(ip, 443, NOTHING)).toBe('allowed');
  });

  it.each([...PRIVATE, ...PRIVATE_CARRIED])('opens %s by an allow entry alone', (ip) => {
    expect(judgeAddress(ip, 443, NOTHING)).toBe('private');
    expect(judgeAddress(ip, 443, EVERYTHING)).toBe('allowed');
  });

  it.each([...NEVER, ...NEVER_CARRIED])('never opens %s', (ip) => {
    expect(judgeAddress(ip, 443, NOTHING)).toBe('never');
    expect(judgeAddress(ip, 443, EVERYTHING, 'db.example')).toBe('never');
    expect(judgeAddress(ip, 443, allowing('db.example'), 'db.example')).toBe('never');
  });

  it.each(['', 'db.example', '127.1', '0177.0.0.1', '2130706433', '[::1]', '1.2.3.4 '])(
    'takes %j for no address',
    (text) => {
      expect(judgeAddress(text, 443, EVERYTHING)).toBe('never');
    },
  );

  it('judges an IPv4 address the same in every form that carries it', () => {
    fc.assert(
      fc.property(fc.ipV4(), (ip) => {
        const [a = 0, b = 0, c = 0, d = 0] = ip.split('.').map(Number);
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        const forms = [`::ffff:${ip}`, `::ffff:${hex}`, `::ffff:0:${ip}`, `64:ff9b::${hex}`, `2002:${hex}::1`];
        for (const form of forms) {
          expect([form, judgeAddress(form, 80, NOTHING)]).toEqual([form, judgeAddress(ip, 80, NOTHING)]);
        }
      }),
    );
  });

  it('opens what an entry says, and nothing beside it', () => {
    const policy = allowing('10.1.0.0/16, 192.168.0.7:5432, [fd00::5]:80, fd01::/16');
    expect(judgeAddress('10.1.255.255', 1, policy)).toBe('allowed');
    expect(judgeAddress('10.2.0.0', 1, policy)).toBe('private');
    expect(judgeAddress('192.168.0.7', 5432, policy)).toBe('allowed');
    expect(judgeAddress('192.168.0.7', 5433, policy)).toBe('private');
    expect(judgeAddress('192.168.0.8', 5432, policy)).toBe('private');
    expect(judgeAddress('fd00::5', 80, policy)).toBe('allowed');
    expect(judgeAddress('fd00::5', 81, policy)).toBe('private');
    expect(judgeAddress('fd01:2::1', 9, policy)).toBe('allowed');
    expect(judgeAddress('::ffff:10.1.0.1', 1, policy)).toBe('allowed');
  });

  it('opens the addresses of just the name that is allowed', () => {
    const policy = allowing('db.internal:5432');
    expect(judgeAddress('10.0.0.5', 5432, policy, 'db.internal')).toBe('allowed');
    expect(judgeAddress('10.0.0.5', 5432, policy, 'DB.internal')).toBe('allowed');
    expect(judgeAddress('10.0.0.5', 5432, policy, 'other.internal')).toBe('private');
    expect(judgeAddress('10.0.0.5', 5432, policy)).toBe('private');
    expect(judgeAddress('10.0.0.5', 22, policy, 'db.internal')).toBe('private');
  });

  it('never opens the gateway’s own places, in whatever form they are given', () => {
    const policy: EgressPolicy = { ...EVERYTHING, forbidden: [{ host: '127.0.0.1', port: 4000 }] };
    for (const ip of ['127.0.0.1', '::ffff:127.0.0.1', '64:ff9b::7f00:1']) {
      expect(judgeAddress(ip, 4000, policy)).toBe('never');
      expect(judgeAddress(ip, 4001, policy)).toBe('allowed');
    }
  });

  it.each(['0.0.0.0', '::'])('takes a listener on %s for one on every address of this machine', (host) => {
    const policy: EgressPolicy = { ...EVERYTHING, forbidden: [{ host, port: 4000 }] };
    const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    for (const ip of ['127.0.0.1', '127.0.0.53', '::1', ...own.map((each) => each.address)]) {
      expect([ip, judgeAddress(ip, 4000, policy)]).toEqual([ip, 'never']);
    }
    expect(judgeAddress('8.8.8.8', 4000, policy)).toBe('allowed');
  });
});

describe('judgeHostName', () => {
  it.each([
    'metadata.google.internal',
    'METADATA.google.internal',
    'metadata.google.internal.',
    'metadata',
    'instance-data',
  ])('never opens %s', (name) => {
    expect(judgeHostName(name, 80, EVERYTHING)).toBe('never');
  });

  it.each(['localhost', 'LocalHost', 'localhost.', 'db.localhost', 'ip6-loopback'])('counts %s as loopback', (name) => {
    expect(judgeHostName(name, 80, NOTHING)).toBe('private');
    expect(judgeHostName(name, 80, allowing('127.0.0.1:80'))).toBe('allowed');
    expect(judgeHostName(name, 81, allowing('127.0.0.1:80'))).toBe('private');
  });

  it('opens localhost by its own name too', () => {
    expect(judgeHostName('localhost', 80, allowing('localhost'))).toBe('allowed');
  });

  it('judges an address as an address, and lets other names be resolved', () => {
    expect(judgeHostName('127.0.0.1', 80, NOTHING)).toBe('private');
    expect(judgeHostName('169.254.169.254', 80, NOTHING)).toBe('never');
    expect(judgeHostName('::1', 80, NOTHING)).toBe('private');
    expect(judgeHostName('8.8.8.8', 80, NOTHING)).toBe('allowed');
    expect(judgeHostName('db.example', 80, NOTHING)).toBe('allowed');
  });

  it('never opens the name of the gateway’s own database', () => {
    const policy: EgressPolicy = { allow: [], forbidden: [{ host: 'Db.internal', port: 5432 }] };
    expect(judgeHostName('db.internal', 5432, policy)).toBe('never');
    expect(judgeHostName('db.internal', 5433, policy)).toBe('allowed');
  });
});

describe('parseEgressAllow', () => {
  it('gives the entries in normal form', () => {
    expect(
      parseEgressAllow(
        ' 10.0.0.0/8, 127.0.0.1:5432,[::1]:80, 0:0::1 ,fd00::/8, [fd00::/8]:5, Db.Internal:5432, ::ffff:10.0.0.1,',
      ),
    ).toEqual([
      '10.0.0.0/8',
      '127.0.0.1:5432',
      '[::1]:80',
      '::1',
      'fd00::/8',
      '[fd00::/8]:5',
      'db.internal:5432',
      '10.0.0.1',
    ]);
    expect(parseEgressAllow('')).toEqual([]);
  });

  it.each([
    '10.0.0.5/8',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '::1/129',
    '127.1',
    '0x7f.1',
    '2130706433',
    'a b',
    'host:0',
    'host:65536',
    '[::1',
    'http://host',
    '*.example',
    'host:port',
    'fe80::1%eth0',
  ])('names the bad entry %j', (entry) => {
    expect(() => parseEgressAllow(`10.0.0.1,${entry}`)).toThrow(`"${entry}"`);
  });

  it.each([
    '169.254.169.254',
    '[fe80::1]:80',
    '0.0.0.0',
    'metadata.google.internal',
    '169.254.0.0/16',
    '::ffff:a9fe:a9fe',
  ])('refuses %s, which can never be allowed', (entry) => {
    expect(() => parseEgressAllow(entry)).toThrow(entry);
  });
});

describe('judgeBehindTunnel', () => {
  it.each(['10.0.0.1', '127.0.0.1', '::1', '192.168.1.1', 'fd12::1', 'localhost', 'db.internal', '8.8.8.8'])(
    'leaves %s to the bastion',
    (host) => expect(judgeBehindTunnel(host, 5432)).toBe('allowed'),
  );

  it.each([
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    'fe80::1',
    'fd00:ec2::254',
    '168.63.129.16',
    '0.0.0.0',
    '::',
    '255.255.255.255',
    'metadata.google.internal',
    'METADATA.google.internal.',
  ])('never allows %s', (host) => expect(judgeBehindTunnel(host, 5432)).toBe('never'));
});

describe('parseEgressProxy', () => {
  it('takes an http proxy, with or without credentials', () => {
    expect(parseEgressProxy('http://proxy.internal:3128')).toBe('http://proxy.internal:3128/');
    expect(parseEgressProxy('http://user:p%40ss@[::1]:3128/')).toBe('http://user:p%40ss@[::1]:3128/');
  });

  it.each(['proxy:3128', 'https://proxy:3128', 'socks5://proxy:1080', 'http://proxy/path', 'http://u:secret@proxy/?x'])(
    'refuses %s',
    (text) => {
      expect(() => parseEgressProxy(text)).toThrow(/EGRESS_PROXY/);
      expect(() => parseEgressProxy(text)).not.toThrow(/secret/);
    },
  );
});

describe('normalAddress', () => {
  it('writes an address in one way', () => {
    expect(normalAddress('0:0:0:0:0:0:0:1')).toBe('::1');
    expect(normalAddress('::FFFF:127.0.0.1')).toBe('127.0.0.1');
    expect(normalAddress('db.example')).toBeUndefined();
  });
});
