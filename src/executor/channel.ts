import type { Readable, Writable } from 'node:stream';

const NEWLINE = 0x0a;
/** A line that comes in more parts than this is joined so far, so that single bytes do not pile up. */
const MOST_PARTS = 1_024;

/**
 * Writes messages in order, each as a line of JSON. Those of one turn of the event loop go out together, for each write
 * wakes a reader. Node's own channel between processes is not used: whoever has taken the child over ends the gateway
 * with one message of Node's own protocol (`NODE_HANDLE_ACK`), or with a length that the gateway then waits for.
 */
export class GatheringWriter {
  readonly #stream: Writable;
  #lines = '';
  #waits = false;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** What comes to a stream that has closed meanwhile is dropped. */
  write(message: object): void {
    this.#lines += lineOf(message);
    if (this.#waits) return;
    this.#waits = true;
    process.nextTick(() => {
      this.#waits = false;
      this.flush();
    });
  }

  /** Writes what is gathered at once; `written` is called when it has gone out, or cannot. */
  flush(written?: () => void): void {
    const lines = this.#lines;
    this.#lines = '';
    if (this.#stream.writable && lines !== '') this.#stream.write(lines, written);
    else written?.();
  }
}

function lineOf(message: object): string {
  return `${JSON.stringify(message)}\n`;
}

export interface ChannelReader {
  /** Called with each message, whose form nobody has looked at. */
  onMessage(message: unknown): void;
  /** Called once, with a line that is no JSON or longer than the limit. Nothing is read after it. */
  onUnreadable(): void;
}

/** Reads lines of JSON of at most `longest` bytes each. */
export function readMessages(stream: Readable, longest: number, reader: ChannelReader): void {
  let parts: Buffer[] = [];
  let length = 0;
  const giveUp = () => {
    stream.off('data', take).resume();
    reader.onUnreadable();
  };
  const take = (chunk: Buffer) => {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const line = Buffer.concat([...parts, chunk.subarray(from, end)]);
      parts = [];
      length = 0;
      from = end + 1;
      const message = line.length > longest ? undefined : parsed(line);
      if (message === undefined) return giveUp();
      reader.onMessage(message);
    }
    parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > longest) return giveUp();
    if (parts.length > MOST_PARTS) parts = [Buffer.concat(parts)];
  };
  stream.on('data', take);
}

/** Undefined for what is no JSON. */
function parsed(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString());
  } catch {
    return undefined;
  }
}
