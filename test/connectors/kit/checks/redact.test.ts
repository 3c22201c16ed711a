import { describe, expect, it } from 'vitest';
import { createRedactor } from '../../../../src/connectors/kit/checks/redact.ts';

const SECRET = 'p@ss w/ö"rd+1';
const REDACTED = '[redacted]';
const forms: [string, string][] = [
  ['as it is', SECRET],
  ['in the middle', `user:${SECRET}@host`],
  ['JSON', JSON.stringify({ password: SECRET })],
  ['URL', `https://host/?password=${encodeURIComponent(SECRET)}`],
  ['URL in lower case', encodeURIComponent(SECRET).toLowerCase()],
  ['every character percent-encoded', [...Buffer.from(SECRET)].map((byte) => `%${byte.toString(16)}`).join('')],
  ['form', new URLSearchParams({ password: SECRET }).toString()],
  ['hex', Buffer.from(`x${SECRET}x`).toString('hex')],
  ['HEX', Buffer.from(SECRET).toString('hex').toUpperCase()],
  ...['', 'a', 'ab'].flatMap((before): [string, string][] => [
    [`base64 after ${before.length}`, Buffer.from(`${before}${SECRET}xyz`).toString('base64')],
    [`base64url after ${before.length}`, Buffer.from(`${before}${SECRET}x`).toString('base64url')],
  ]),
];

describe('a redactor', () => {
  it.each(forms)('finds the secret: %s', (_form, text) => {
    expect(createRedactor(['other-secret', SECRET]).value(text)).toBe(REDACTED);
    expect(createRedactor(['other-secret']).value(text)).toBe(text);
  });

  it('looks for what has at least four characters', () => {
    expect(createRedactor(['abcd']).value('xabcdx')).toBe(REDACTED);
    expect(createRedactor(['abc', '']).value('xabcx')).toBe('xabcx');
  });

  it('finds each line of a key, but not its frame', () => {
    const key =
      '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\nCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n';
    const redactor = createRedactor([key]);
    expect(redactor.value('near CCqGSM49AwEHBG0wawIBAQQg')).toBe(REDACTED);
    expect(redactor.value('-----BEGIN PRIVATE KEY-----')).toBe('-----BEGIN PRIVATE KEY-----');
    expect(redactor.value(JSON.stringify(key))).toBe(REDACTED);
  });

  it('keeps the lines that hold none', () => {
    const redactor = createRedactor(['secret-one', 'two\nlines']);
    expect(redactor.lines('a\nb secret-one\nc')).toBe(`a\n${REDACTED}\nc`);
    expect(redactor.lines('a two\nlines b')).toBe(REDACTED);
  });
});
