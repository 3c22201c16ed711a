import { describe, expect, test } from 'vitest';
import { type HttpPeer, json, type PeerAnswer, startHttpPeer } from '../support/peers/http-peer.ts';
import { athenaStand } from '../support/stands/athena.ts';
import { bigqueryStand } from '../support/stands/bigquery.ts';
import { databricksStand } from '../support/stands/databricks.ts';
import { elasticsearchStand } from '../support/stands/elasticsearch.ts';
import { googleCloudStorageStand } from '../support/stands/google-cloud-storage.ts';
import { opensearchStand } from '../support/stands/opensearch.ts';
import { s3Stand } from '../support/stands/s3.ts';
import { snowflakeStand } from '../support/stands/snowflake.ts';
import type { Stand } from '../support/stands/stand.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const inXml = (status: number, code: string): PeerAnswer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>In words of the server.</Message></Error>`,
});
const ofGoogle = (status: number, reason: string, message: string) =>
  json(status, { error: { code: status, message, errors: [{ reason, message }] } });

/** An answer in the API's own form, and what it is told as: code, field, a word of the hint, code in the evidence. */
type Row = readonly [
  title: string,
  answer: PeerAnswer,
  code: string,
  path: string | null,
  hint: string,
  own: string | undefined,
];

const subjects: readonly (readonly [Stand<object, HttpPeer>, readonly Row[]])[] = [
  [
    s3Stand,
    [
      ['a call that is not built', inXml(501, 'NotImplemented'), 'SERVER_ERROR', null, 'evidence', 'NotImplemented'],
      ['a code of its own', inXml(400, 'KeyTooOld'), 'SERVER_ERROR', null, 'evidence', 'KeyTooOld'],
      [
        'a bucket that has to stand in the host',
        inXml(403, 'SecondLevelDomainForbidden'),
        'SERVER_ERROR',
        'forcePathStyle',
        'to false',
        'SecondLevelDomainForbidden',
      ],
    ],
  ],
  [
    athenaStand,
    [
      [
        'a code of its own',
        json(400, { __type: 'com.amazonaws.athena#SessionAlreadyExistsException', message: 'x' }),
        'SERVER_ERROR',
        null,
        'evidence',
        'SessionAlreadyExistsException',
      ],
    ],
  ],
  [
    bigqueryStand,
    [['a reason of its own', ofGoogle(409, 'duplicate', 'x'), 'SERVER_ERROR', null, 'evidence', 'duplicate']],
  ],
  [
    googleCloudStorageStand,
    [
      [
        'a reason of its own',
        ofGoogle(412, 'conditionNotMet', 'x'),
        'SERVER_ERROR',
        null,
        'evidence',
        'conditionNotMet',
      ],
    ],
  ],
  [
    databricksStand,
    [
      [
        'a code of its own',
        json(400, { error_code: 'INVALID_STATE', message: 'x' }),
        'SERVER_ERROR',
        null,
        'evidence',
        'INVALID_STATE',
      ],
      [
        'an IP access list',
        json(403, {
          error_code: 403,
          message: 'Source IP address: 192.0.2.7 is blocked by Databricks IP ACL for workspace: 1234',
        }),
        'PERMISSION_DENIED',
        'host',
        'IP access list',
        '403',
      ],
    ],
  ],
  [
    elasticsearchStand,
    [
      [
        'a call that is not built',
        json(501, { error: { type: 'unsupported_operation_exception' }, status: 501 }),
        'SERVER_ERROR',
        null,
        'evidence',
        'unsupported_operation_exception',
      ],
    ],
  ],
  [
    opensearchStand,
    [
      [
        'a domain that signs in by IAM',
        json(403, { Message: 'User: anonymous is not authorized to perform: es:ESHttpGet' }),
        'SIGN_IN_METHOD_REFUSED',
        'username',
        'IAM',
        undefined,
      ],
    ],
  ],
  [
    snowflakeStand,
    [
      [
        'a warehouse whose quota is used up',
        json(200, { success: false, code: '090073', message: 'x', data: null }),
        'SERVER_UNAVAILABLE',
        'warehouse',
        'resource monitor',
        '090073',
      ],
      [
        'a second factor that is wanted',
        json(200, { success: false, code: '394509', message: 'x', data: null }),
        'SIGN_IN_METHOD_REFUSED',
        'authentication',
        'key pair',
        '394509',
      ],
    ],
  ],
];

describe.each(subjects.map(([stand, rows]) => [stand.connector.type, stand, rows] as const))(
  '%s',
  (_type, stand, rows) => {
    const { issue, keep, tryAt } = useStand(stand);

    test.each(rows.map((row) => [row[0], row] as const))('%s is told as what it is', async (_title, row) => {
      const [, answer, code, configPath, hint, own] = row;
      const certificate = await issue();
      const result = await tryAt(await keep(startHttpPeer(() => answer, { certificate })));
      expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
      expect(result.failure?.hint).toContain(hint);
      const { serverError, httpStatus } = result.evidence['session/authenticate'] ?? {};
      expect(serverError).toBe(own);
      expect(httpStatus).toBe(own === undefined ? String(answer.status) : undefined);
    });
  },
);

// these are refusals of a right, which is asked for once the account has signed in
describe.each([
  ['BIGQUERY', bigqueryStand],
  ['GOOGLE_CLOUD_STORAGE', googleCloudStorageStand],
] as readonly [string, Stand<object, HttpPeer>][])('%s', (_type, stand) => {
  const { issue, keep, tryAt } = useStand(stand);

  test.each([
    ['accessDenied', 'VPC Service Controls: Request is prohibited by organization’s policy.', 'VPC Service Controls'],
    ['accountDisabled', 'The billing account for the owning project is disabled in state absent', 'billing'],
  ])('a 403 by %s names no role', async (reason, message, hint) => {
    const certificate = await issue();
    const result = await tryAt(await keep(startHttpPeer(() => ofGoogle(403, reason, message), { certificate })));
    expect(result.failure).toMatchObject({ code: 'PERMISSION_DENIED', configPath: null });
    expect(result.failure?.hint).toContain(hint);
    expect(result.evidence[result.failedAt ?? '']).toEqual({ serverError: reason });
  });
});
