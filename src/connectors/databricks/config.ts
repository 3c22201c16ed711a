import { z } from 'zod';
import { host } from '../kit/config/host.ts';
import { destination, issue, named, secret } from '../kit/config/marks.ts';
import { authentication } from '../kit/config/one-of.ts';
import { headerText, LONGEST_PASSWORD, matching, trimmedText } from '../kit/config/text.ts';
import { printableText } from '../kit/http/basic-auth.ts';

const WAREHOUSE_PATH = /^\/sql\/1\.0\/(?:warehouses|endpoints)\/([A-Za-z0-9_-]{1,64})$/;

export const databricksConfig = z.object({
  host: destination(host()).meta({
    title: 'Host',
    description: 'The server hostname of the SQL warehouse. Example: dbc-a1b2345c-d6e7.cloud.databricks.com',
  }),
  httpPath: trimmedText(255)
    // the workspace's id, `?o=…`, stands in the paths that some pages show; a warehouse's host knows it
    .overwrite((path) => path.replace(/^(?=sql\/)/, '/').replace(/\?o=\d+$/, ''))
    .refine(
      (path) => WAREHOUSE_PATH.test(path),
      issue(
        'INVALID_FORMAT',
        'Give the HTTP path of a SQL warehouse: /sql/1.0/warehouses/ and its id. Clusters do not have the API that is used.',
      ),
    )
    .meta({
      pattern: '^\\s*/?sql/1\\.0/(?:warehouses|endpoints)/[A-Za-z0-9_-]{1,64}(?:\\?o=\\d+)?\\s*$',
      title: 'HTTP path',
      description:
        'The HTTP path of the SQL warehouse, as its connection details show it. Example: /sql/1.0/warehouses/a1b234c567d8e9fa',
    }),
  authentication: authentication('DatabricksAuthentication', {
    accessToken: named(
      'DatabricksAccessToken',
      z.object({
        token: secret(headerText(4096)).meta({
          title: 'Token',
          description: 'A personal access token, at most 4,096 characters. This secret is never shown again.',
        }),
      }),
    ).meta({
      title: 'Sign in with an access token',
      description: 'Sign in with a token of a user or of a service principal.',
    }),
    oauth: named(
      'DatabricksOauth',
      z.object({
        clientId: matching(headerText(256), /^[^:]*$/, 'A client id has no colon.', {
          blanks: true,
          told: '^[!-9;-~]*$',
        }).meta({
          title: 'Client id',
          description: 'The application id of the service principal.',
        }),
        clientSecret: secret(headerText(LONGEST_PASSWORD)).meta({
          title: 'Client secret',
          description: 'An OAuth secret of the service principal, at most 4,096 characters. It is never shown again.',
        }),
      }),
    ).meta({
      title: 'Sign in as a service principal (OAuth)',
      description: 'Sign in as a service principal of the workspace (machine to machine).',
    }),
  }).meta({ title: 'Authentication', description: 'How to sign in: with a token, or as a service principal.' }),
  catalog: printableText(255).optional().meta({
    title: 'Catalog',
    description: 'The catalog of Unity Catalog to use. Leave empty for the workspace’s default catalog. Example: main',
  }),
  schema: printableText(255).optional().meta({
    title: 'Schema',
    description: 'The one schema of the catalog to use. Leave empty for all of them. Example: sales',
  }),
});

export type DatabricksConfig = z.output<typeof databricksConfig>;

/** The id behind a warehouse’s HTTP path. */
export function warehouseId({ httpPath }: DatabricksConfig): string {
  const id = WAREHOUSE_PATH.exec(httpPath)?.[1];
  if (id === undefined) throw new Error('an HTTP path of no warehouse passed the config');
  return id;
}
