import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../platform/telemetry/logger.ts';
import { listenAt } from './listen.ts';
import { sendText } from './replies.ts';

export interface MetricsServerOptions {
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly logger: Logger;
}

/**
 * Answers `GET /metrics`, and nothing else, at a port of its own: no proxy that makes the API public makes these public
 * with it, and no token of the API has to be given to who collects them.
 */
export class MetricsServer {
  readonly #server: Server;

  constructor({ metrics, logger }: MetricsServerOptions) {
    this.#server = createServer((request, response) => {
      if (request.method !== 'GET' || request.url !== '/metrics')
        return sendText(response, 404, 'There is nothing here. The metrics are at /metrics.');
      metrics.text().then(
        (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
        (error: unknown) => {
          logger.error({ err: error }, 'the metrics could not be read');
          sendText(response, 500, 'The metrics could not be read: the log says why.');
        },
      );
    });
  }

  /** Starts to listen and says at which port. Rejects when the address is taken. */
  listen(host: string, port: number): Promise<AddressInfo> {
    return listenAt(this.#server, host, port);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}
