import { z } from 'zod';
import { destination, inGroup, issue, named, secret } from '../kit/config/marks.ts';
import { authentication } from '../kit/config/one-of.ts';
import { passphraseFault, privateKey } from '../kit/config/pem.ts';
import { anyCase, headerText, LONGEST_PASSWORD, trimmedText, withBlanks } from '../kit/config/text.ts';
import { printableText } from '../kit/http/basic-auth.ts';
import type { KeyLabel } from '../kit/keys/key-block.ts';

/** The formats of a user’s key, which is an RSA key in each of them. */
const KEYS: readonly KeyLabel[] = ['PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'RSA PRIVATE KEY'];
const DOMAIN = '.snowflakecomputing.com';
const CHINESE_DOMAIN = '.snowflakecomputing.cn';
const SHORT = /^[a-z0-9][a-z0-9_]*-[a-z0-9_-]*[a-z0-9]$/;
/** A locator of the first region, which none stands behind. */
const LOCATOR = /^[a-z]{2,4}\d{4,8}$/;
/** A locator or an old name with its region, and its cloud where the region's name does not say that. */
const REGIONAL = /^[a-z0-9_-]+\.[a-z]+(-[a-z0-9]+)+(\.(aws|azure|gcp))?$/;
const FULL = /^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.){1,5}snowflakecomputing\.(com|cn)$/;

/** What an account looks like as it is typed, for forms. */
const ACCOUNT = withBlanks(
  anyCase(`(?:${[SHORT, LOCATOR, REGIONAL].map(inner).join('|')})(?:\\.privatelink)?|${inner(FULL)}`),
);

function inner({ source }: RegExp): string {
  return source.slice(1, -1);
}

function isAccount(account: string): boolean {
  const name = account.replace(/\.privatelink$/, '');
  return [SHORT, LOCATOR, REGIONAL].some((form) => form.test(name)) || FULL.test(account);
}

/** The account with its ASCII letters in lower case, and without the domain behind `organisation-account`. */
function normalAccount(account: string): string {
  const lower = account.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  const { identifier, domain } = partsOf(lower);
  return SHORT.test(identifier) && domain === DOMAIN ? identifier : lower;
}

function partsOf(account: string): { readonly identifier: string; readonly domain: string } {
  const domain = [DOMAIN, CHINESE_DOMAIN].find((each) => account.endsWith(each));
  if (domain === undefined) return { identifier: account, domain: domainOf(account) };
  return { identifier: account.slice(0, -domain.length), domain };
}

/** Regions of China are under a domain of their own, as Snowflake's drivers know: `xy12345.cn-northwest-1`. */
function domainOf(identifier: string): string {
  return /\.cn-[a-z]/.test(identifier) ? CHINESE_DOMAIN : DOMAIN;
}

/** An object's name as Snowflake's own tools take it: letter case counts only within double quotes. */
function objectName(title: string, description: string) {
  return printableText(255).meta({
    title,
    description: `${description} Upper and lower case differ only in "double quotes".`,
  });
}

export const snowflakeConfig = z.object({
  account: destination(
    trimmedText(253)
      .overwrite(normalAccount)
      .refine(
        isAccount,
        issue(
          'INVALID_FORMAT',
          'Give the account as org-name, as a locator with its region, or in full as ….snowflakecomputing.com, without https:// and path.',
        ),
      ),
  ).meta({
    title: 'Account',
    pattern: ACCOUNT,
    description:
      'The account identifier `organisation-account`, an account locator with its region, a private link’s name, or the full host name of any of them. Examples: myorg-account1, xy12345.eu-central-1, myorg-account1.privatelink, xy12345.cn-northwest-1.snowflakecomputing.cn',
  }),
  username: inGroup('SIGN_IN', printableText(255)).meta({
    title: 'User name',
    description: 'The user to sign in as, at most 255 characters.',
  }),
  authentication: authentication('SnowflakeAuthentication', {
    password: named(
      'SnowflakePassword',
      z.object({
        password: secret(printableText(LONGEST_PASSWORD)).meta({
          title: 'Password',
          description: 'The password of the user, at most 4,096 characters. This secret is never shown again.',
        }),
      }),
    ).meta({
      title: 'Sign in with a password',
      description: 'Sign in with a password. Snowflake refuses it for users who have to use a second factor.',
    }),
    keyPair: named(
      'SnowflakeKeyPair',
      z.object({
        privateKey: secret(privateKey(KEYS)).meta({
          title: 'Private key',
          description:
            'The RSA key of the user, 2048 bits or more, as PEM, encrypted or not. This secret is never shown again.',
        }),
        passphrase: secret(printableText(1024)).optional().meta({
          title: 'Passphrase',
          description:
            'The passphrase of the private key, at most 1,024 characters. Leave empty when the key is not encrypted. This secret is never shown again.',
        }),
      }),
    )
      .superRefine((value, context) => {
        const fault = passphraseFault(value.privateKey, value.passphrase);
        if (fault) context.addIssue({ code: 'custom', path: ['passphrase'], ...fault });
      })
      .meta({
        title: 'Sign in with a key pair',
        description: 'Sign in with a private key. Its public key has to be the RSA_PUBLIC_KEY of the user.',
      }),
    accessToken: named(
      'SnowflakeAccessToken',
      z.object({
        token: secret(headerText(16_384)).meta({
          title: 'Token',
          description:
            'A programmatic access token or an OAuth access token, at most 16,384 characters. This secret is never shown again.',
        }),
      }),
    ).meta({
      title: 'Sign in with an access token',
      description: 'Sign in with a token that Snowflake or its OAuth server has issued.',
    }),
  }).meta({ title: 'Authentication', description: 'How to sign in: with a password, a key pair or an access token.' }),
  warehouse: objectName('Warehouse', 'The virtual warehouse that runs queries.'),
  database: objectName('Database', 'The database that holds the tables.'),
  schema: objectName('Schema', 'The one schema of the database to use. Leave empty for all of them.').optional(),
  role: inGroup('SIGN_IN', objectName('Role', 'The role to use. Leave empty for the user’s default role.')).optional(),
});

export type SnowflakeConfig = z.output<typeof snowflakeConfig>;

/** The one host that an account has. A host name takes no underscore, so Snowflake has a hyphen there. */
export function accountHost(account: string): string {
  const { identifier, domain } = partsOf(account);
  return `${identifier}${domain}`.replaceAll('_', '-');
}

/** The account's name in tokens and in the sign-in: without region and cloud, in upper case. */
export function accountName(account: string): string {
  const [name = '', next] = account.split('.');
  // `name-external.global.…` is a locator whose other half is no part of its name
  return (next === 'global' ? name.slice(0, name.lastIndexOf('-')) : name).toUpperCase();
}

/**
 * The exact name behind one that was written as in SQL. It is in upper case, unless it stands in double quotes or could
 * not stand without them.
 */
export function exactName(name: string): string {
  const quoted = /^"(.+)"$/s.exec(name)?.[1];
  if (quoted !== undefined) return quoted.replaceAll('""', '"');
  return /^[A-Za-z_][A-Za-z0-9_$]*$/.test(name) ? name.toUpperCase() : name;
}
