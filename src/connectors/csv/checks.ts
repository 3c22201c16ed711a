import { endpointChecks } from '../kit/checks/endpoint.ts';
import type { CatalogEntry } from '../kit/contract/catalog-entry.ts';
import { type Check, type CheckContext, required, type Target } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { strangerFailure } from '../kit/http/answers.ts';
import { ALPN, type HttpResponse } from '../kit/http/client.ts';
import type { CsvConfig } from './config.ts';
import { type FileClient, fetchFile, fileTarget, HOST_PATH } from './fetch.ts';
import { refuseBinary, refuseOtherText, shownDelimiter } from './formats.ts';
import { malformed } from './parse.ts';
import { type CsvTable, LONGEST_NAME, readTable } from './table.ts';

/** What the checks of one test share. */
export interface CsvState extends FileClient {
  file?: CsvFile;
}

interface CsvFile {
  readonly bytes: Buffer;
  /** True when the file has more bytes than were read. */
  readonly truncated: boolean;
  readonly encoding: string;
}

type CsvCheck = Check<CsvConfig, CsvState>;
type Context = CheckContext<CsvConfig, CsvState>;

/** How much of a file is read, in bytes. */
const MAX_FILE = 5 * 1024 * 1024;
/** The status of a server that limits requests. */
const TOO_MANY = 429;

/** The target that the file is fetched from; undefined for a file that is in the config. */
export function targetOf({ source }: CsvConfig): Target | undefined {
  return source.url === undefined ? undefined : fileTarget(source.url);
}

function urlTarget(config: CsvConfig): Target {
  const target = targetOf(config);
  if (!target) throw new Error('a check of the endpoint was run for a file that is in the config');
  return target;
}

const getFile: CsvCheck = {
  name: 'file/get',
  title: 'Get the file',
  description:
    'The file can be fetched, or is in the config. At most 5 MiB of it are read, and five redirects to https:// followed.',
  base: true,
  async run(context) {
    const { config, state } = context;
    const { content, url } = config.source;
    if (url === undefined) {
      state.file = { bytes: Buffer.from(content ?? ''), truncated: false, encoding: 'utf-8' };
      return { evidence: { bytes: state.file.bytes.length } };
    }
    const { response, host, redirects } = await fetchFile(context, { url, query: config.urlQuery, maxBytes: MAX_FILE });
    const where = redirects === 0 ? {} : { redirectHost: host, redirects };
    // what is behind a redirect has not seen the query of the config
    const failure = refusalOf(response, config.urlQuery === undefined || redirects > 0 ? HOST_PATH : 'urlQuery');
    if (failure) throw failure.with({ httpStatus: response.status, ...where });
    const { body: bytes, truncated } = response;
    state.file = { bytes, truncated, encoding: config.encoding };
    return {
      evidence: {
        host: new URL(url).hostname,
        ...where,
        bytes: bytes.length,
        truncated,
        mediaType: mediaTypeOf(response),
      },
    };
  },
};

const parseFile: CsvCheck = {
  name: 'file/parse',
  title: 'Read the file',
  description:
    'The file is CSV as RFC 4180 has it. Warns when there are no rows, rows of other lengths, names that come twice, or ' +
    'one column alone in which another delimiter stands (likelyDelimiter).',
  async run(context) {
    const { columns, rows, uneven, doubles, delimiter, likelyDelimiter: likely } = await tableOf(context);
    const evidence = {
      columns: columns.length,
      rows,
      unevenRows: uneven,
      doubleNames: doubles,
      delimiter: shownDelimiter(delimiter),
      likelyDelimiter: likely === undefined ? undefined : shownDelimiter(likely),
    };
    return { evidence, warning: rows === 0 || uneven > 0 || doubles > 0 || likely !== undefined };
  },
};

export const csvChecks: readonly CsvCheck[] = [
  ...endpointChecks<CsvConfig, CsvState>({
    target: urlTarget,
    appliesTo: ({ source }) => source.url !== undefined,
    alpnProtocols: ALPN,
  }),
  getFile,
  parseFile,
];

/** Gives the file as one table. */
export async function* readCsvCatalog(context: Context): AsyncGenerator<readonly CatalogEntry[]> {
  const { columns } = await tableOf(context);
  yield [{ namespace: null, name: nameOf(context.config), kind: 'TABLE', columns }];
}

function tableOf({ config, state, signal }: Context): Promise<CsvTable> {
  const file = required(state.file, 'file/get');
  const source = config.source.url === undefined ? 'source.content' : HOST_PATH;
  refuseBinary(file.bytes, source);
  const text = decoded(file);
  refuseOtherText(text, source);
  return readTable(text, file.truncated, config, signal);
}

function decoded({ bytes, truncated, encoding }: CsvFile): string {
  try {
    // where the file was cut off, half a character is not its fault
    return new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: truncated });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw malformed('It is in another encoding: check `encoding`.', 'encoding');
  }
}

/** The failure behind an answer that is no file: it may be a refusal, or a page for people. */
function refusalOf(response: HttpResponse, configPath: string): Failure | undefined {
  const { status } = response;
  if (status === 401) {
    const hint = 'Give a URL that needs no sign-in: a pre-signed one, say.';
    return new Failure('CREDENTIALS_REQUIRED', { configPath, hint });
  }
  if (status === 403) {
    const hint = 'Give a URL that everyone may read, or a pre-signed one that has not expired.';
    return new Failure('PERMISSION_DENIED', { configPath, hint });
  }
  if (status === 404 || status === 410)
    return new Failure('OBJECT_NOT_FOUND', { configPath: HOST_PATH, hint: 'Check the URL.' });
  // any server of files is the right one: what it refuses so is its own matter
  if (status >= 400 && status < 500 && status !== TOO_MANY)
    return new Failure('UNEXPECTED_ANSWER', { configPath: HOST_PATH });
  if (status !== 200) return strangerFailure(response);
  if (mediaTypeOf(response) === 'text/html') {
    const hint = 'A web page is there, no CSV file: give the URL that downloads the file.';
    return new Failure('PROTOCOL_MISMATCH', { configPath: HOST_PATH, hint });
  }
  const coding = response.headers['content-encoding'] ?? 'identity';
  if (coding !== 'identity') {
    const hint = 'The server sends the file compressed although that was not asked for: give one that is not.';
    return new Failure('UNEXPECTED_ANSWER', { configPath: HOST_PATH, hint });
  }
  return undefined;
}

function mediaTypeOf({ headers }: HttpResponse): string | undefined {
  return /^[a-z]{1,40}\/[a-z0-9.+-]{1,80}/i.exec(headers['content-type'] ?? '')?.[0].toLowerCase();
}

/** The name of the table: the file's name in the URL. */
function nameOf({ source }: CsvConfig): string {
  if (source.url === undefined) return 'content';
  const { pathname, hostname } = new URL(source.url);
  const last = pathname.split('/').at(-1) ?? '';
  let name = last;
  try {
    name = decodeURIComponent(last);
  } catch (error) {
    // a percent sign that encodes nothing stands for itself
    if (!(error instanceof URIError)) throw error;
  }
  return name.replace(/\p{C}/gu, '').slice(0, LONGEST_NAME) || hostname;
}
