import { execFile } from 'node:child_process';
import { type KeyFile, MAX_KEY_FILE_BYTES, parseKeyFile, readKeyFile } from './key-file.ts';

/** Where the key-encryption keys come from. */
export interface KeySource {
  /** As an operator knows it. */
  readonly name: string;
  /** Rejects, saying what to do, when the keys cannot be had. */
  read(): Promise<KeyFile>;
}

/** Keys in a file of this machine. */
export function fileSource(path: string): KeySource {
  return { name: `The key file ${path}`, read: () => readKeyFile(path) };
}

/** Where an operator keeps the keys: in a file, or where a command fetches them. */
export interface KeyPlace {
  readonly keyFile: string;
  /** Used instead of the file where it is set. */
  readonly keyCommand?: string | undefined;
}

export function keySourceOf({ keyFile, keyCommand }: KeyPlace): KeySource {
  return keyCommand === undefined ? fileSource(keyFile) : commandSource(keyCommand);
}

/** How long a key command may take, in milliseconds. */
const COMMAND_MS = 30_000;
/** What of the gateway's own settings is none of a key command's business. */
const KEPT_BACK = [
  'DATABASE_URL',
  'BOOTSTRAP_TOKEN',
  'EGRESS_PROXY',
  'OIDC_CLIENT_SECRET',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
];

/**
 * Keys that a command prints as a key file has them: the command line of a key service, or of what decrypts a file. It
 * is run without a shell; blanks part its words. What it says on stderr goes to the gateway's.
 */
export function commandSource(command: string): KeySource {
  const [program = '', ...words] = command.trim().split(/\s+/);
  // its arguments may hold what nobody else is to see
  const name = `The key command ${program}`;
  return { name, read: async () => parseKeyFile(await printed(program, words, name), `what ${program} prints`) };
}

function printed(program: string, words: readonly string[], name: string): Promise<string> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([variable]) => !KEPT_BACK.includes(variable)));
  const options = { env, timeout: COMMAND_MS, maxBuffer: MAX_KEY_FILE_BYTES, encoding: 'utf8' } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(program, words, options, (error, stdout) => {
      if (!error) return resolve(stdout);
      // the error quotes the command line, and perhaps what was printed
      const { code, killed } = error;
      const reason = code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER' ? 'prints too much' : failedBy(code, killed === true);
      reject(new Error(`${name} ${reason}`));
    });
    child.stdin?.end();
    child.stderr?.pipe(process.stderr, { end: false });
  });
}

function failedBy(code: string | number | null | undefined, killed: boolean): string {
  if (killed) return `did not end within ${COMMAND_MS / 1_000} s`;
  return typeof code === 'number' ? `ended with ${code}` : `cannot be run (${code ?? 'no code'})`;
}
