import { describe, expect, test } from 'vitest';
import { ServedHosts } from '../../src/server/same-origin.ts';

const on = (listensOn: string, ...allowed: string[]) => new ServedHosts(listensOn, 4000, allowed);

describe('the origin of a page', () => {
  test.each<[string, ServedHosts, string, string, boolean]>([
    ['its own', on('127.0.0.1'), 'http://127.0.0.1:4000', '127.0.0.1:4000', true],
    ['its own by another scheme', on('127.0.0.1'), 'https://127.0.0.1:4000', '127.0.0.1:4000', false],
    ['another of its names', on('127.0.0.1'), 'http://localhost:4000', '127.0.0.1:4000', false],
    ['behind a proxy that speaks either', on('127.0.0.1', 'a.example'), 'https://a.example', 'a.example', true],
    ['the same by HTTP', on('127.0.0.1', 'a.example'), 'http://a.example', 'a.example', true],
    ['behind a proxy that speaks TLS', on('0.0.0.0', 'https://a.example'), 'https://a.example', 'a.example', true],
    ['the same by HTTP, where TLS is said', on('0.0.0.0', 'https://a.example'), 'http://a.example', 'a.example', false],
    ['the same by TLS, where HTTP is said', on('0.0.0.0', 'http://a.example'), 'https://a.example', 'a.example', false],
    ['with a port', on('0.0.0.0', 'https://A.example'), 'https://a.example:8443', 'a.example:8443', true],
    ['where every host is served', on('0.0.0.0'), 'https://a.example', 'a.example', true],
    ['a stranger where every host is served', on('0.0.0.0'), 'https://b.example', 'a.example', false],
    ['none', on('0.0.0.0'), 'null', 'a.example', false],
  ])('%s', (_title, hosts, origin, host, isSame) => {
    expect(hosts.serves(host)).toBe(true);
    expect(hosts.isSameOrigin(origin, host)).toBe(isSame);
  });

  test('is none where no page asked', () => {
    expect(on('127.0.0.1').isSameOrigin(undefined, '127.0.0.1:4000')).toBe(true);
  });

  test('is not looked at for a host that is not served', () => {
    expect(on('127.0.0.1', 'https://a.example').serves('b.example')).toBe(false);
    expect(on('127.0.0.1', 'https://a.example').serves('https://a.example')).toBe(false);
  });
});
