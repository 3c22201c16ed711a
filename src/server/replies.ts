import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLError } from 'graphql';
import { compress, encodingOf } from './compression.ts';
import type { Answer } from './direct-answer.ts';
import { publicForm, requestError } from './request-error.ts';

/** How many bytes of a body that is too large are read on, so that its sender comes to read the answer. */
const MAX_DISCARDED_BYTES = 8 * 1024 * 1024;
/**
 * How long a connection stays open after an answer that left something of its request unread: closing with bytes
 * unread resets it (RFC 9112 §9.6), and a sender who is still writing would then never see the answer.
 */
const LINGER_MS = 1_000;
const CLOSING = { connection: 'close' };
/** How long a client may read nothing of a stream. */
const STALLED_MS = 30_000;

/** Reads a body of at most `limit` bytes, and never keeps more. @throws a request error PAYLOAD_TOO_LARGE */
export async function readBody(request: IncomingMessage, limit: number): Promise<string> {
  // most come along with their headers, and nobody need listen for more
  const whole = request.complete ? (request.read() as Buffer | null) : null;
  if (whole) {
    if (whole.byteLength > limit) throw tooLarge();
    return whole.toString('utf8');
  }
  const chunks: Buffer[] = [];
  let size = Number(request.headers['content-length'] ?? 0) > MAX_DISCARDED_BYTES ? Number.POSITIVE_INFINITY : 0;
  if (size <= MAX_DISCARDED_BYTES) {
    await readChunks(request, (chunk) => {
      size += chunk.byteLength;
      if (size <= limit) chunks.push(chunk);
      else chunks.length = 0;
      return size <= MAX_DISCARDED_BYTES;
    });
  }
  if (size > limit) throw tooLarge();
  const [only, ...others] = chunks;
  return (only && others.length === 0 ? only : Buffer.concat(chunks)).toString('utf8');
}

function tooLarge() {
  return requestError('PAYLOAD_TOO_LARGE', { status: 413, headers: { connection: 'close' } });
}

/** Reads on for as long as `wants` says so, by events, which cost less than an iterator. Rejects when it breaks off. */
function readChunks(request: IncomingMessage, wants: (chunk: Buffer) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      if (!request.complete) request.pause();
      request.off('data', onData).off('end', settle).off('error', settle).off('close', onClose);
      if (error) reject(error);
      else resolve();
    };
    const onData = (chunk: Buffer) => {
      if (!wants(chunk)) settle();
    };
    const onClose = () => settle(new Error('The request broke off'));
    if (request.destroyed) return onClose();
    request.on('data', onData).once('end', settle).once('error', settle).once('close', onClose);
  });
}

/** Answers with plain text. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(value));
}

/**
 * Answers with one GraphQL error, in the media type that the caller asks for; by the `fallback` where the error itself
 * has no status.
 */
export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  error: GraphQLError,
  fallback: HttpPart = { status: 500, headers: {} },
): void {
  const { status, headers } = httpPart(error, fallback);
  const type = request.headers.accept?.includes('application/graphql-response+json')
    ? 'application/graphql-response+json'
    : 'application/json';
  const body = JSON.stringify({ errors: [publicForm(error)] });
  response.writeHead(status, {
    ...headers,
    'content-type': `${type}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
  });
  if (headers.connection !== 'close') response.end(body);
  else endAfter(request, response, body);
}

/** Ends an answer that closes its connection, and leaves the sender of what was not read the time to see it. */
export function endAfter(request: IncomingMessage, response: ServerResponse, last: string): void {
  if (request.complete) {
    response.end(last);
  } else {
    response.write(last);
    const timer = setTimeout(() => response.end(), LINGER_MS);
    response.once('close', () => clearTimeout(timer));
  }
}

/**
 * Ends a request that takes too long to arrive, its answer or its connection. Node's own limit knows one time for all
 * requests, and an import takes as long as it takes.
 */
export function endWhenLate(request: IncomingMessage, response: ServerResponse, requestMs: number): void {
  if (request.complete || request.destroyed) return;
  const end = () => {
    if (request.complete) return;
    // what is answered already, whatever comes, has nobody who reads on
    if (response.headersSent) return void request.socket.destroy();
    const message = `The request has not arrived within ${requestMs / 1_000} s.`;
    sendError(request, response, requestError('BAD_REQUEST', { message, status: 408, headers: CLOSING }));
  };
  const timer = setTimeout(end, requestMs);
  const forget = () => clearTimeout(timer);
  request.once('end', forget).once('close', forget);
}

/** Answers a request for a WebSocket with one GraphQL error, which a browser shows its developer, and no page. */
export function refuseUpgrade(socket: Duplex, error: GraphQLError): void {
  const { status, headers } = httpPart(error);
  const body = JSON.stringify({ errors: [publicForm(error)] });
  const all = {
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
}

interface HttpPart {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

function httpPart({ extensions }: GraphQLError, fallback: HttpPart = { status: 500, headers: {} }): HttpPart {
  const { status = fallback.status, headers = {} } = (extensions.http ?? {}) as Partial<HttpPart>;
  return { status, headers: { ...fallback.headers, ...headers } };
}

/**
 * Answers with what Yoga answered, compressed where it may be. A stream is read no faster than its client reads, and is
 * ended when the client goes or stalls for 30 s.
 */
export async function sendFetchResponse(response: ServerResponse, answer: Response, mayCompress = true): Promise<void> {
  const type = answer.headers.get('content-type') ?? '';
  const streams = /^(?:text\/event-stream|multipart\/mixed)/.test(type);
  for (const [name, value] of answer.headers) response.setHeader(name, value);
  if (streams) {
    // nginx would keep events back until it has a buffer full
    response.setHeader('x-accel-buffering', 'no').writeHead(answer.status);
    return pump(response, answer);
  }
  await sendWhole(response, answer.status, await answer.text(), mayCompress);
}

/** Answers with what is there in one piece, compressed where it may be. */
export async function sendAnswer(response: ServerResponse, answer: Answer, mayCompress: boolean): Promise<void> {
  for (const name in answer.headers) response.setHeader(name.toLowerCase(), answer.headers[name] ?? '');
  await sendWhole(response, answer.status, answer.body, mayCompress);
}

async function sendWhole(response: ServerResponse, status: number, text: string, mayCompress: boolean): Promise<void> {
  const accepted = mayCompress ? response.req.headers['accept-encoding']?.toString() : undefined;
  const encoding = encodingOf(text, accepted);
  const body = encoding === null ? text : await compress(text, encoding);
  if (encoding) response.setHeader('content-encoding', encoding);
  const length = Buffer.byteLength(body);
  response.appendHeader('vary', 'accept-encoding').setHeader('content-length', length);
  // a text of so many bytes as characters is ASCII, which is written as it lies there
  response.writeHead(status).end(body, length === body.length ? 'latin1' : 'utf8');
}

async function pump(response: ServerResponse, answer: Response): Promise<void> {
  const reader = answer.body?.getReader();
  if (!reader) {
    response.end();
    return;
  }
  response.once('close', () => void reader.cancel());
  for (;;) {
    const { done, value } = await reader.read();
    if (done || response.destroyed) break;
    if (!response.write(value) && !(await drained(response))) response.destroy();
  }
  response.end();
}

/** Resolves to false when the client is gone or has read nothing for 30 s, or for `stalledMs`. */
export function drained(response: ServerResponse, stalledMs = STALLED_MS): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isDrained: boolean) => {
      clearTimeout(timer);
      response.off('drain', onDrain).off('close', onClose);
      resolve(isDrained);
    };
    const onDrain = () => settle(true);
    const onClose = () => settle(false);
    const timer = setTimeout(onClose, stalledMs).unref();
    response.once('drain', onDrain).once('close', onClose);
  });
}
