import type { ConfigValues } from '../config/shape.ts';
import { leavesOf, parseConfig } from '../config/shape.ts';
import { type Connector, connectorId } from '../contract/connector.ts';
import { ConfigDraft, type IgnoredPart } from './config-draft.ts';
import {
  type ConnectionText,
  type ConnectionTexts,
  type ConnectionUrl,
  type GivenUrl,
  plainName,
  type Setting,
  type SettingReader,
} from './connection-text.ts';
import { readDatabaseUrl } from './shared-settings.ts';

/** What a text was read as. */
export interface ReadConnection {
  readonly connector: Connector;
  /** A config input, as createDatastore takes it, with the secrets that stand in the text. */
  readonly values: ConfigValues;
  readonly ignored: readonly IgnoredPart[];
  /** What createDatastore would refuse. */
  readonly issues: readonly FoundIssue[];
}

type FoundIssue = NonNullable<ReturnType<typeof parseConfig>['error']>['issues'][number];

/** The settings in which a URL stands, after the prefix of a type: `QDRANT_URL`. */
const URL_SETTINGS: ReadonlySet<string> = new Set([
  'url',
  'uri',
  'dsn',
  'databaseurl',
  'databaseuri',
  'dburl',
  'connectionurl',
  'connectionuri',
  'connectionstring',
  'jdbcurl',
  'endpoint',
]);
/** What the variables of any type begin with: Laravel's, Django's, Elastic Beanstalk's. */
const COMMON_PREFIXES: readonly string[] = ['db', 'database', 'rds'];
/** The settings whose value names a product: a driver, Django's ENGINE, what Secrets Manager writes. */
const PRODUCT_SETTINGS: ReadonlySet<string> = new Set(
  ['engine', 'driver', 'drivername', 'dialect', 'adapter', 'connection', 'provider'].flatMap((name) => [
    name,
    ...COMMON_PREFIXES.map((prefix) => prefix + name),
  ]),
);
const NOT_KNOWN = 'The gateway has no field for it.';

/** How sure it is that a text is meant for a type. */
const NOT_MEANT = 0;
const READABLE = 1;
const MEANT = 2;
const SURE = 3;

interface Claim {
  /** The strongest of its parts'. */
  readonly strength: number;
  /** How many parts can be read. */
  readonly readable: number;
}

/** A connector as a reader of texts. */
export class ConnectionReader {
  readonly connector: Connector;
  readonly #texts: ConnectionTexts;
  readonly #settings: ReadonlyMap<string, SettingReader>;
  readonly #prefixes: readonly string[];
  readonly #products: readonly string[];

  constructor(connector: Connector) {
    this.connector = connector;
    this.#texts = connector.texts ?? { examples: [] };
    this.#settings = new Map([...fieldSettings(connector), ...Object.entries(this.#texts.settings ?? {})]);
    const id = plainName(connectorId(connector));
    this.#prefixes = [id, ...(this.#texts.prefixes ?? [])];
    // two letters stand in many a driver's name
    this.#products = [id, ...(this.#texts.schemes ?? []).map(plainName)].filter((word) => word.length > 3);
  }

  /** Tells how much a text says that it is meant for this type. */
  claim({ urls, within, settings }: ConnectionText): Claim {
    const claims = [
      ...urls.map((given) => this.#claimUrl(given)),
      ...[...within, ...settings].map((setting) => this.#claimSetting(setting)),
    ];
    return {
      strength: claims.reduce((most, claim) => Math.max(most, claim), NOT_MEANT),
      readable: claims.filter((claim) => claim > NOT_MEANT).length,
    };
  }

  /** Reads a text as one of this type. Undefined when nothing in it is for this type. */
  read({ urls, within, settings }: ConnectionText): ReadConnection | undefined {
    const draft = new ConfigDraft(this.connector.config);
    const chosen = this.#choose(urls);
    if (chosen) {
      (this.#texts.readUrl ?? readDatabaseUrl)(chosen.url, draft);
      if (!this.#texts.takesQuery) for (const parameter of chosen.url.parameters) this.#take(parameter, draft);
    }
    for (const setting of within) this.#take(setting, draft);
    const others = urls.flatMap((given) => (given === chosen || !given.setting ? [] : [given.setting]));
    const isTold = chosen !== undefined || within.length > 0 || settings.some(({ name }) => this.#find(name)?.isOwn);
    for (const setting of [...settings, ...others]) {
      if (isTold && this.#isOfTheApplication(setting)) draft.ignore(setting.name, NOT_KNOWN);
      else this.#take(setting, draft);
    }
    if (Object.keys(draft.values).length === 0) return undefined;
    const issues = parseConfig(this.connector, draft.values).error?.issues ?? [];
    return { connector: this.connector, values: draft.values, ignored: draft.ignored, issues };
  }

  /** A variable such as PORT, beside others that say by their names that they are the datastore's. */
  #isOfTheApplication({ name }: Setting): boolean {
    const plain = plainName(name);
    return /^[A-Z][A-Z0-9]*$/.test(name) && this.#settings.has(plain) && !this.#texts.signs?.includes(plain);
  }

  #reads({ scheme }: ConnectionUrl): boolean {
    return this.#isOwn(scheme) || this.#texts.sharedSchemes?.includes(scheme) === true;
  }

  #isOwn(scheme: string): boolean {
    return this.#texts.schemes?.includes(scheme) === true;
  }

  #isPlace({ hosts: [first], path }: ConnectionUrl): boolean {
    if (!first || !this.#texts.places) return false;
    const place = `${first.host.toLowerCase()}${first.port ? `:${first.port}` : ''}/${path.join('/')}`;
    return this.#texts.places.test(place);
  }

  #claimUrl({ url, setting }: GivenUrl): number {
    if (!this.#reads(url)) return setting ? this.#claimSetting(setting) : NOT_MEANT;
    const isNamed = setting !== undefined && this.#stripped(setting.name)?.isOwn === true;
    if (this.#isPlace(url)) return isNamed ? SURE + 1 : SURE;
    return isNamed || this.#isOwn(url.scheme) ? MEANT : READABLE;
  }

  #claimSetting({ name, value }: Setting): number {
    const plain = plainName(name);
    if (PRODUCT_SETTINGS.has(plain) && this.#isProduct(value)) return SURE;
    const found = this.#find(name);
    if (!found) return NOT_MEANT;
    if (found.isOwn || this.#texts.signs?.includes(found.plain)) return MEANT;
    return found.plain.endsWith('host') && this.#texts.places?.test(`${value.toLowerCase()}/`) ? SURE : READABLE;
  }

  #isProduct(value: string): boolean {
    const plain = plainName(value.slice(0, 256));
    return this.#products.some((product) => plain.includes(product));
  }

  /** The URL that the config is read from: one whose scheme means this type, or that a setting of the type holds. */
  #choose(urls: readonly GivenUrl[]): GivenUrl | undefined {
    const readable = urls.filter(({ url, setting }) => this.#reads(url) && this.#mayHold(setting, url));
    return (
      readable.find(({ url }) => this.#isPlace(url)) ??
      readable.find(({ url }) => this.#isOwn(url.scheme)) ??
      readable.find(({ setting }) => setting && this.#stripped(setting.name)?.isOwn) ??
      readable[0]
    );
  }

  #mayHold(setting: Setting | undefined, url: ConnectionUrl): boolean {
    if (!setting) return true;
    const plain = this.#stripped(setting.name)?.plain ?? plainName(setting.name);
    if (URL_SETTINGS.has(plain)) return true;
    return this.#find(setting.name) === undefined && this.#isOwn(url.scheme);
  }

  #take({ name, value }: Setting, draft: ConfigDraft): void {
    const found = this.#find(name);
    if (PRODUCT_SETTINGS.has(plainName(name)) && (found === undefined || this.#isProduct(value))) {
      if (!this.#isProduct(value)) draft.ignore(name, NOT_KNOWN);
    } else if (!found) {
      // the heading of a section is no setting
      if (!name.startsWith('[')) draft.ignore(name, NOT_KNOWN);
    } else if (typeof found.reader === 'string') draft.set(found.reader, value, name);
    else found.reader(value, draft, name);
  }

  /** A setting by its name, with or without a prefix of the type. */
  #find(name: string): { readonly reader: SettingReader; readonly plain: string; readonly isOwn: boolean } | undefined {
    const plain = plainName(name);
    const reader = this.#settings.get(plain);
    if (reader !== undefined) return { reader, plain, isOwn: false };
    const stripped = this.#stripped(name);
    const behind = stripped && this.#settings.get(stripped.plain);
    return stripped && behind !== undefined ? { reader: behind, ...stripped } : undefined;
  }

  /** What stands behind a prefix of the type, or of many types. */
  #stripped(name: string): { readonly plain: string; readonly isOwn: boolean } | undefined {
    const plain = plainName(name);
    const shared = [...(this.#texts.sharedPrefixes ?? []), ...COMMON_PREFIXES];
    const known = (prefix: string) => {
      if (!plain.startsWith(prefix)) return false;
      const rest = plain.slice(prefix.length);
      return this.#settings.has(rest) || URL_SETTINGS.has(rest);
    };
    const own = this.#prefixes.find(known);
    const prefix = own ?? shared.find(known);
    return prefix === undefined ? undefined : { plain: plain.slice(prefix.length), isOwn: own !== undefined };
  }
}

/** The settings that are named as config fields: by their whole path, and in a block by their own name alone. */
function fieldSettings({ config }: Connector): [string, SettingReader][] {
  const leaves = leavesOf(config).filter(({ path }) => !path.startsWith('sshTunnel.'));
  const short = leaves.filter(({ path, key }) => path !== key && !path.startsWith('tls.'));
  return [...short.map(({ key, path }) => [key, path]), ...leaves.map(({ path }) => [path, path])].map(
    ([name = '', path = '']) => [plainName(name), path],
  );
}

/** What came of a text: the connection that was read, or which of the two arguments is to be mended, and how. */
export type ReadOutcome =
  | { readonly connection: ReadConnection }
  | { readonly fault: { readonly argument: 'text' | 'type'; readonly message: string } };

/** Finds who a text is meant for among the readers, and reads it. */
export function readConnection(
  readers: readonly ConnectionReader[],
  text: ConnectionText,
  type: string | undefined,
): ReadOutcome {
  if (type !== undefined) {
    const reader = readers.find(({ connector }) => connector.type === type);
    const connection = reader?.read(text);
    return connection ? { connection } : { fault: { argument: 'text', message: notOfType(reader?.connector) } };
  }
  const claims = readers.map((reader) => ({ reader, ...reader.claim(text) }));
  const strongest = Math.max(...claims.map(({ strength }) => strength));
  const strong = claims.filter(({ strength }) => strength === strongest && strength > NOT_MEANT);
  const most = strongest > READABLE ? 0 : Math.max(...strong.map(({ readable }) => readable));
  const meant = strong.filter(({ readable }) => readable >= most).map(({ reader }) => reader);
  const [only, ...more] = meant;
  const connection = more.length === 0 ? only?.read(text) : undefined;
  if (connection) return { connection };
  if (more.length === 0)
    return { fault: { argument: 'text', message: text.urls.length > 0 ? URL_OF_NONE : NOTHING_READ } };
  const types = meant.map(({ connector }) => connector.type).join(', ');
  return { fault: { argument: 'type', message: `The text may be meant for several types. Give one of ${types}.` } };
}

const URL_OF_NONE =
  'It has a URL as none of the gateway’s types has one. Connector.connectionTexts has examples of those that are read.';

export const NOTHING_READ =
  'Nothing in it is read as a connection. Give a connection URL, the text of a .env or of an option file, a string as Server=…;User Id=… or host=… user=…, the call of a client as psql -h …, or the JSON of a key file.';

function notOfType(connector: Connector | undefined): string {
  const examples = (connector?.texts?.examples ?? []).filter((example) => !/[\r\n]/.test(example)).slice(0, 3);
  const shown = examples.length > 0 ? ` What is read for it is, among others: ${examples.join(' · ')}` : '';
  return `Nothing in it is read for the type ${connector?.title}.${shown}`;
}
