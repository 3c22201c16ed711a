import { describe, expect, test } from 'vitest';
import { awsEncode, awsQueryString, signAwsRequest } from '../../../../src/connectors/families/aws/signing.ts';

/** The worked examples of the S3 API reference, "Authenticating Requests: Using the Authorization Header". */
describe('a signature is the one that AWS publishes', () => {
  const identity = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
  const scope = { region: 'us-east-1', service: 's3' };
  const host = 'examplebucket.s3.amazonaws.com';
  const now = new Date('2013-05-24T00:00:00Z');

  test.each([
    [
      'GET an object',
      { method: 'GET', path: '/test.txt', query: {}, headers: { range: 'bytes=0-9' } },
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ],
    [
      'GET the lifecycle',
      { method: 'GET', path: '/', query: { lifecycle: '' } },
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
    [
      'GET a list',
      { method: 'GET', path: '/', query: { 'max-keys': '2', prefix: 'J' } },
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
  ])('%s', async (_title, request, signature) => {
    const headers = await signAwsRequest({ host, ...request }, identity, scope, now);
    expect(headers.authorization).toContain(`Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, `);
    expect(headers.authorization).toContain(`Signature=${signature}`);
  });

  test('and covers a session token', async () => {
    const request = { method: 'GET', host, path: '/', query: {} };
    const headers = await signAwsRequest(request, { ...identity, sessionToken: 'token' }, scope, now);
    expect(headers['x-amz-security-token']).toBe('token');
    expect(headers.authorization).toContain('x-amz-security-token');
  });
});

test('all but the unreserved characters are encoded', () => {
  expect(awsEncode("a b/ü*'()!~-._")).toBe('a%20b%2F%C3%BC%2A%27%28%29%21~-._');
  expect(awsQueryString({ prefix: 'a b', 'list-type': '2' })).toBe('?prefix=a%20b&list-type=2');
  expect(awsQueryString({})).toBe('');
});
