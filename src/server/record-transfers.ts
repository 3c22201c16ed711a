import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import type { GraphQLError } from 'graphql';
import { type LimitSettings, limitOf } from '../errors/limits.ts';
import type { Identity } from './authenticate.ts';
import type { LiveSessions } from './live-sessions.ts';
import { codeOf } from './mask-error.ts';
import type { OnOperation } from './observers.ts';
import { datastoreIn } from './records-path.ts';
import { drained, endAfter, sendError } from './replies.ts';
import { publicForm, requestError } from './request-error.ts';

/** A report of an import; the last one says in `error` what has ended it early, or null. */
interface Report {
  readonly type: string;
  readonly error?: unknown;
}

interface ShownReport extends Report {
  readonly error?: { readonly code: string; readonly message: string } | null;
}

type Format = 'jsonl' | 'csv';

/** What the server asks about records; modules/managed-data answers. */
export interface RecordTransfers<Access> {
  export(
    access: Access,
    datastoreId: string,
    parameters: URLSearchParams,
  ): Promise<{ readonly format: Format; readonly recordCount: number; readonly pieces: AsyncIterable<string> }>;
  import(
    access: Access,
    datastoreId: string,
    format: Format,
    parameters: URLSearchParams,
    source: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Report>>;
  /** Told of what the caller lacks a scope for. */
  refused(access: Access, operation: string, message: string): void;
}

export interface RecordEdgeOptions<Access> {
  readonly records: RecordTransfers<Access>;
  readonly sessions: LiveSessions;
  readonly mask: (error: unknown) => GraphQLError;
  readonly limits: LimitSettings & { readonly transferIdleMs: number };
  readonly onOperation?: OnOperation | undefined;
}

const TYPES: Readonly<Record<Format, readonly [string, ...string[]]>> = {
  jsonl: ['application/jsonl', 'application/x-ndjson', 'application/x-jsonlines'],
  csv: ['text/csv'],
};
const STATUSES: Readonly<Record<string, number>> = { FORBIDDEN: 403, NOT_FOUND: 404, BAD_USER_INPUT: 400 };
const BYTES_IN_MB = 1_048_576;
/** What a transfer counts as that the caller, or the connection, has broken off. */
const BROKEN_OFF = 'BAD_REQUEST';

/**
 * Imports and exports records over HTTP, beside GraphQL: they are longer than an answer may be. Both end when the token
 * ends or the gateway does.
 */
export class RecordEdge<Access> {
  readonly #options: RecordEdgeOptions<Access>;

  constructor(options: RecordEdgeOptions<Access>) {
    this.#options = options;
  }

  /** Answers a request for a path of records. What is refused closes the connection, for it may have much to send. */
  async answer(request: IncomingMessage, response: ServerResponse, identity: Identity<Access>): Promise<void> {
    const { method } = request;
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://gateway');
    const datastoreId = datastoreIn(pathname);
    const ending = new AbortController();
    const started = performance.now();
    // how it has ended, as far as the caller has heard it
    let result: string = BROKEN_OFF;
    let close: (() => void) | undefined;
    response.once('close', () => ending.abort(new Error('the caller went away')));
    try {
      if (method !== 'GET' && method !== 'POST') throw wrongMethod();
      const end = (reason: GraphQLError) => ending.abort(reason);
      close = this.#options.sessions.open({ kind: 'transfer', token: identity.token, end });
      const given = { request, response, access: identity.access, datastoreId, parameters: searchParams, ending };
      result = await (method === 'GET' ? this.#export(given) : this.#import(given));
    } catch (error) {
      const shown = this.#options.mask(error);
      result = codeOf(shown);
      if (shown.extensions.code === 'FORBIDDEN')
        this.#options.records.refused(identity.access, `${method} /datastores/{id}/records`, shown.message);
      if (response.headersSent) return void response.destroy();
      const status = STATUSES[String(shown.extensions.code)] ?? 500;
      sendError(request, response, shown, { status, headers: { connection: 'close' } });
    } finally {
      close?.();
      const operation = method === 'GET' ? 'exportRecords' : method === 'POST' ? 'importRecords' : 'none';
      const ms = performance.now() - started;
      this.#options.onOperation?.({ kind: 'transfer', operation, result, ms });
    }
  }

  /** @returns how it has ended, for who counts operations */
  async #export({ response, access, datastoreId, parameters, ending: { signal } }: Transfer<Access>): Promise<string> {
    const { format, recordCount, pieces } = await this.#options.records.export(access, datastoreId, parameters);
    response.writeHead(200, {
      'content-type': `${TYPES[format][0]}; charset=utf-8`,
      'content-disposition': `attachment; filename="records-${datastoreId}.${format}"`,
      'record-count': String(recordCount),
      ...UNBUFFERED,
    });
    // an answer that ends early has no end: whoever reads it sees that something is missing
    signal.addEventListener('abort', () => response.destroy(), { once: true });
    for await (const piece of pieces) {
      if (response.destroyed) return BROKEN_OFF;
      if (response.write(piece) || (await drained(response, this.#options.limits.transferIdleMs))) continue;
      response.destroy();
      return BROKEN_OFF;
    }
    response.end();
    return 'OK';
  }

  /** @returns how it has ended; lines that were refused are part of the answer */
  async #import({ request, response, access, datastoreId, parameters, ending }: Transfer<Access>): Promise<string> {
    const format = formatOf(request);
    const most = limitOf(this.#options.limits, 'MAX_IMPORT_MB') ?? Number.POSITIVE_INFINITY;
    if (Number(request.headers['content-length'] ?? 0) > most * BYTES_IN_MB) throw tooLarge(most);
    const { signal } = ending;
    const source = limited(this.#bodyOf(request, signal), most);
    const reports = await this.#options.records.import(access, datastoreId, format, parameters, source, signal);
    response.writeHead(200, { 'content-type': TYPES.jsonl[0], connection: 'close', ...UNBUFFERED });
    response.flushHeaders();
    // reports are few, and many senders read none of them before they have sent everything
    let result = BROKEN_OFF;
    for await (const report of reports) {
      if (response.destroyed) return BROKEN_OFF;
      const shown = this.#shown(report);
      const line = `${JSON.stringify(shown)}\n`;
      if (report.type === 'end') {
        endAfter(request, response, line);
        result = shown.error?.code ?? 'OK';
      } else response.write(line);
    }
    return result;
  }

  /** The body, as it comes; what ends the import ends it, too, and leaves the connection for the answer. */
  #bodyOf(request: IncomingMessage, signal: AbortSignal): PassThrough {
    const body = new PassThrough();
    // whoever reads the body is told
    body.on('error', () => undefined);
    const end = (error: Error) => void body.destroy(error);
    const { transferIdleMs } = this.#options.limits;
    request.setTimeout(transferIdleMs, () => end(stalled(transferIdleMs)));
    request.once('error', end).pipe(body);
    signal.addEventListener('abort', () => end(signal.reason as Error), { once: true });
    return body;
  }

  #shown({ error, ...report }: Report): ShownReport {
    if (error == null) return error === undefined ? report : { ...report, error: null };
    const masked = this.#options.mask(error);
    const { message, extensions } = publicForm(masked);
    return { ...report, error: { message, ...extensions, code: codeOf(masked) } };
  }
}

interface Transfer<Access> {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly access: Access;
  readonly datastoreId: string;
  readonly parameters: URLSearchParams;
  readonly ending: AbortController;
}

/** nginx would keep what is sent back until it has a buffer full. */
const UNBUFFERED = { 'x-accel-buffering': 'no' };

/** Reads from the headers what the body is. @throws a request error UNSUPPORTED_MEDIA_TYPE */
function formatOf({ headers }: IncomingMessage): Format {
  const [type = '', ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.map((each) => /^\s*charset\s*=\s*"?([^"\s]*)/.exec(each)?.[1]).find((each) => each);
  const format = (['jsonl', 'csv'] as const).find((each) => TYPES[each].includes(type.trim()));
  const isPlain = (headers['content-encoding'] ?? 'identity') === 'identity';
  if (format && isPlain && (charset ?? 'utf-8').replace('utf8', 'utf-8') === 'utf-8') return format;
  const message =
    'Send records as Content-Type application/jsonl or text/csv, in UTF-8 and without Content-Encoding: decompress them first.';
  throw requestError('UNSUPPORTED_MEDIA_TYPE', { message, status: 415 });
}

async function* limited(source: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.byteLength;
    if (size > most * BYTES_IN_MB) throw tooLarge(most);
    yield chunk;
  }
}

function tooLarge(limit: number): GraphQLError {
  const variable = 'MAX_IMPORT_MB';
  const message = `One import may have ${limit} MB (${variable}): send the rest in another.`;
  return requestError('PAYLOAD_TOO_LARGE', { message, status: 413, extensions: { limit, variable } });
}

function stalled(idleMs: number): GraphQLError {
  return requestError('BAD_REQUEST', { message: `Nothing has come for ${idleMs / 1_000} s.` });
}

function wrongMethod(): GraphQLError {
  const message = 'Records are exported by GET and imported by POST.';
  return requestError('METHOD_NOT_ALLOWED', { message, status: 405, headers: { allow: 'GET, POST' } });
}
