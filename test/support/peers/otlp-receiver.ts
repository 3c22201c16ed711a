import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly status?: { readonly code: number };
  /** What was said of the process that has sent it. */
  readonly resource: Readonly<Record<string, string | number>>;
}

type Pairs = readonly { readonly key: string; readonly value: Readonly<Record<string, string>> }[];

interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Pairs };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ReceivedSpan, 'attributes'> & { attributes: Pairs })[];
    }[];
  }[];
}

export interface OtlpReceiver {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  /** What was posted, as it came, and with which headers. */
  readonly requests: { readonly headers: IncomingHttpHeaders; readonly body: string }[];
  /** What it answers from now on. */
  answer: { readonly status: number; readonly body?: string; readonly headers?: Readonly<Record<string, string>> };
  close(): Promise<void>;
}

/** A server that takes spans by OTLP/HTTP as JSON; test/peers/traces.test.ts has the collector's own. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const server = createServer(async (request, response) => {
    const body = await text(request);
    receiver.requests.push({ headers: request.headers, body });
    const { status, body: said = '{}', headers } = receiver.answer;
    if (status === 200 && request.url === '/v1/traces') receiver.spans.push(...spansOf(JSON.parse(body)));
    response.writeHead(request.url === '/v1/traces' ? status : 404, headers).end(said);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: OtlpReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    spans: [],
    requests: [],
    answer: { status: 200 },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return receiver;
}

function spansOf({ resourceSpans }: ExportRequest): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        ...span,
        attributes: recordOf(span.attributes),
        resource: recordOf(resource.attributes),
      })),
    ),
  );
}

function recordOf(pairs: Pairs): Record<string, string | number> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue ?? value.doubleValue)]),
  );
}
