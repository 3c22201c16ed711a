import { UserError } from '../errors/api.ts';
import type { RecordFormat, RecordTransfers } from '../modules/managed-data/transfers.ts';
import { type Gateway, unreachable } from '../platform/ask-gateway.ts';
import { operator } from './command.ts';

/** A report of an import, from the database or a gateway. */
export interface Report {
  readonly type: 'progress' | 'refused' | 'end';
  readonly line?: number;
  readonly message?: string;
  readonly issues?: readonly ReportedIssue[];
  readonly status?: 'COMPLETE' | 'STOPPED' | 'FAILED';
  readonly read?: number;
  readonly put?: number;
  readonly skipped?: number;
  readonly refused?: number;
  readonly untold?: number;
  readonly bytes?: number;
  readonly error?: unknown;
}

export interface ReportedIssue {
  readonly path: readonly string[];
  readonly message: string;
  readonly line?: number;
}

/** Where the records of a datastore are: the database itself, or a gateway before it. */
export interface RecordTarget {
  export(parameters: URLSearchParams): Promise<AsyncIterable<string | Uint8Array>>;
  import(
    format: RecordFormat,
    parameters: URLSearchParams,
    source: AsyncIterable<Uint8Array>,
  ): Promise<AsyncIterable<Report>>;
}

export function databaseRecords(transfers: RecordTransfers, datastoreId: string): RecordTarget {
  const { signal } = new AbortController();
  return {
    export: async (parameters) => (await transfers.export(operator, datastoreId, parameters).catch(explained)).pieces,
    import: (format, parameters, source) =>
      transfers.import(operator, datastoreId, format, parameters, source, signal).catch(explained),
  };
}

/** Says of what a service refuses what is wrong with it. */
function explained(error: unknown): never {
  if (error instanceof UserError && error.issues.length > 0) throw new Error(sentences(error.message, error.issues));
  throw error;
}

function sentences(message: string, issues: readonly ReportedIssue[]): string {
  return [message, ...issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)].join(' ');
}

const TYPES: Readonly<Record<RecordFormat, string>> = { jsonl: 'application/jsonl', csv: 'text/csv' };

export function gatewayRecords({ url, token }: Gateway, datastoreId: string): RecordTarget {
  const ask = async (parameters: URLSearchParams, init: RequestInit & { readonly duplex?: 'half' }) => {
    const place = new URL(`/datastores/${encodeURIComponent(datastoreId)}/records?${parameters}`, url);
    const headers = { authorization: `Bearer ${token}`, ...init.headers };
    const response = await fetch(place, { ...init, headers, redirect: 'error' }).catch((error: unknown) => {
      throw unreachable(url, error);
    });
    if (response.ok && response.body) return response.body as AsyncIterable<Uint8Array>;
    throw new Error(await refusalOf(response, url));
  };
  return {
    export: (parameters) => ask(parameters, {}),
    async import(format, parameters, source) {
      const headers = { 'content-type': TYPES[format] };
      // fetch of Node takes what its types do not know
      const body = source as unknown as BodyInit;
      return reportsOf(await ask(parameters, { method: 'POST', headers, body, duplex: 'half' }));
    },
  };
}

interface Answer {
  readonly errors?: readonly {
    readonly message: string;
    readonly extensions?: { readonly issues?: readonly ReportedIssue[] };
  }[];
}

/** What a gateway has refused, in its words. */
async function refusalOf(response: Response, { origin }: URL): Promise<string> {
  const text = await response.text();
  try {
    const [error] = (JSON.parse(text) as Answer).errors ?? [];
    if (!error) throw new Error('no error');
    return sentences(error.message, error.extensions?.issues ?? []);
  } catch {
    // what a reader of JSON says of a web page tells nobody anything
    throw new Error(`${origin} answers ${response.status}, and not as a gateway does.`);
  }
}

async function* reportsOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Report> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of bytes) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as Report;
  }
}
