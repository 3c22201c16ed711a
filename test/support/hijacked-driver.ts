import { once } from 'node:events';

/** What a driver aims at that a peer has taken over. */
export interface Aims {
  /** A folder and a file in it, which the system lets everybody read and write: Node alone keeps them. */
  readonly folder: string;
  readonly file: string;
  /** A file and a Unix socket that the gateway's user alone can reach. */
  readonly ownFile: string;
  readonly ownSocket: string;
  readonly pid: number;
  /** The ports of its listener and of its database, on 127.0.0.1. */
  readonly ports: readonly number[];
}

/** `done`, or the code of the error by which Node or the system refused it. */
export type Result = string;

type Attack = (aims: Aims) => unknown;

class Missed extends Error {
  readonly code = 'MISSED';
}

/** Says that an attack has brought nothing, though nothing was thrown. */
function miss(): never {
  throw new Missed('It has brought nothing.');
}

/** It begins with what the child may read. */
const WAY_OUT = `${import.meta.dirname}/${'../'.repeat(16)}etc/passwd`;

const fs = () => process.getBuiltinModule('node:fs');
const net = () => process.getBuiltinModule('node:net');

/** Members of `process` that Node's types leave out. */
interface Undocumented {
  binding(name: string): object;
  _linkedBinding(name: string): object;
  _kill(pid: number, signal: number): number;
  _debugProcess(pid: number): void;
}
const hidden = process as unknown as Undocumented;

async function connected(options: { port: number; host?: string } | { path: string }): Promise<void> {
  const socket = net().connect(options);
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}

async function listened(place: string | number): Promise<void> {
  const server = net().createServer().listen(place);
  try {
    await once(server, 'listening');
  } finally {
    server.close();
  }
}

/** Waits for the answer of an emitter of Node's; whatever follows is nobody's. */
async function told(emitter: NodeJS.EventEmitter, event: string): Promise<void> {
  await once(emitter, event);
  emitter.on('error', () => undefined);
}

const computes = 'computes: it holds no way out of the process';
const observes = 'observes and changes the process that is hijacked already';
const carries = 'carries what fs and net open';
const same = (module: string) => `is what ${module} is made of, or a part of it`;

/**
 * How each of Node's built-in modules is played, or why there is nothing to play. A module that is missing here turns
 * the test red.
 */
export const plays: Readonly<Record<string, Readonly<Record<string, Attack>> | string>> = {
  fs: {
    'read a file': ({ file }) => fs().readFileSync(file),
    'read a file by a stream': ({ file }) => told(fs().createReadStream(file), 'data'),
    'read a file by a blob': ({ file }) => fs().openAsBlob(file),
    'copy a file': ({ file, folder }) => fs().copyFileSync(file, `${folder}/copied`),
    'copy a folder': ({ folder }) => fs().cpSync(folder, `${folder}-copied`, { recursive: true }),
    'list a folder': ({ folder }) => fs().readdirSync(folder),
    'open a folder': ({ folder }) => fs().opendirSync(folder).closeSync(),
    'find files': ({ folder }) => fs().globSync(`${folder}/*`).length || miss(),
    'see whether a file is there': ({ file }) => fs().existsSync(file) || miss(),
    'look at a file': ({ file }) => fs().statSync(file),
    'look at a link': () => fs().readlinkSync('/proc/self/exe'),
    'look at a file system': ({ folder }) => fs().statfsSync(folder),
    'resolve a path': ({ file }) => fs().realpathSync(file),
    'resolve a path of the gateway’s user': ({ ownFile }) => fs().realpathSync(ownFile),
    'resolve a path by the system': ({ file }) => fs().realpathSync.native(file),
    'watch a folder': ({ folder }) => fs().watch(folder).close(),
    'write a file': ({ folder }) => fs().writeFileSync(`${folder}/written`, 'x'),
    'append to a file': ({ file }) => fs().appendFileSync(file, 'x'),
    'truncate a file': ({ file }) => fs().truncateSync(file),
    'make a folder': ({ folder }) => fs().mkdirSync(`${folder}/made`),
    'make a temporary folder': () => fs().mkdtempSync('/tmp/hijacked-'),
    'make a link': ({ file, folder }) => fs().symlinkSync(file, `${folder}/link`),
    'make a hard link': ({ file, folder }) => fs().linkSync(file, `${folder}/hard`),
    'rename a file': ({ file }) => fs().renameSync(file, `${file}-renamed`),
    'remove a file': ({ file }) => fs().unlinkSync(file),
    'remove a folder': ({ folder }) => fs().rmSync(folder, { recursive: true }),
    'open a file to everybody': ({ file }) => fs().chmodSync(file, 0o666),
    'change the times of a file': ({ file }) => fs().utimesSync(file, 0, 0),
    'read its own environment': () => fs().readFileSync('/proc/self/environ'),
    'read the gateway’s environment': ({ pid }) => fs().readFileSync(`/proc/${pid}/environ`),
    'read the gateway’s memory': ({ pid }) => fs().openSync(`/proc/${pid}/mem`, 'r'),
    'open a file of the gateway': ({ pid }) => fs().readdirSync(`/proc/${pid}/fd`),
    'walk out of the program': () => fs().readFileSync(WAY_OUT),
    'walk out of the program in bytes': () => fs().readFileSync(Buffer.from(WAY_OUT)),
    'walk out of the program by a URL': () => fs().readFileSync(new URL(`file://${WAY_OUT}`)),
  },
  'fs/promises': {
    'read a file': async ({ file }) => process.getBuiltinModule('node:fs/promises').readFile(file),
    'write a file': async ({ folder }) =>
      process.getBuiltinModule('node:fs/promises').writeFile(`${folder}/written`, 'x'),
    'list a folder': async ({ folder }) => process.getBuiltinModule('node:fs/promises').readdir(folder),
  },
  child_process: {
    'start a program': () => started(process.getBuiltinModule('node:child_process').spawn('true')),
    'start a program and wait': () => {
      const { error } = process.getBuiltinModule('node:child_process').spawnSync('true');
      if (error) throw error;
    },
    'start a shell': () => process.getBuiltinModule('node:child_process').execSync('true'),
    'start another Node': ({ file }) => started(process.getBuiltinModule('node:child_process').fork(file)),
  },
  cluster: {
    'start a worker': () => {
      const cluster = process.getBuiltinModule('node:cluster') as unknown as typeof import('node:cluster').default;
      return started(cluster.fork().process);
    },
  },
  worker_threads: {
    'start a thread': () => {
      const { Worker } = process.getBuiltinModule('node:worker_threads');
      return new Worker('', { eval: true }).terminate();
    },
  },
  process: {
    'signal the gateway': ({ pid }) => process.kill(pid, 0),
    'signal the gateway by a hidden way': ({ pid }) => hidden._kill(pid, 0) === 0 || miss(),
    'open the gateway’s inspector': ({ pid }) => hidden._debugProcess(pid),
    'become root': () => process.setuid?.(0),
    'become root’s group': () => process.setgid?.(0),
    'take the groups of root': () => process.setgroups?.([0]),
    'become another program': () => process.execve?.('/bin/true', ['true'], {}),
    'load native code': ({ file }) => process.dlopen({ exports: {} }, file),
    'reach Node’s inner files': () => hidden.binding('fs'),
    'reach Node’s inner processes': () => hidden.binding('process_wrap'),
    'reach Node’s linked code': () => hidden._linkedBinding('fs'),
    'load a file as an environment': ({ file }) => process.loadEnvFile(file),
    'write a report': ({ folder }) => process.report.writeReport(`${folder}/report.json`),
  },
  inspector: {
    'open the inspector': () => {
      const inspector = process.getBuiltinModule('node:inspector');
      inspector.open(0, '127.0.0.1');
      inspector.close();
    },
    'inspect itself': () => new (process.getBuiltinModule('node:inspector').Session)().connect(),
  },
  'inspector/promises': {
    'inspect itself': () => new (process.getBuiltinModule('node:inspector/promises').Session)().connect(),
  },
  module: {
    'take a file for a module': ({ file }) => process.getBuiltinModule('node:module').createRequire(file)(file),
    'take a folder for a cache': ({ folder }) => {
      const { status, message } = process.getBuiltinModule('node:module').enableCompileCache(`${folder}/cache`);
      if (status !== 1) throw Object.assign(new Error(message), { code: `STATUS_${status}` });
    },
    'take a folder for a package': ({ folder }) =>
      process.getBuiltinModule('node:module').createRequire(`${folder}/x.js`)('./'),
  },
  v8: {
    'write a heap snapshot': ({ folder }) =>
      process.getBuiltinModule('node:v8').writeHeapSnapshot(`${folder}/snapshot`),
  },
  trace_events: {
    'write a trace': () => {
      const tracing = process.getBuiltinModule('node:trace_events').createTracing({ categories: ['v8'] });
      tracing.enable();
      tracing.disable();
    },
  },
  repl: {
    'keep a history': async ({ folder }) => {
      const { PassThrough } = process.getBuiltinModule('node:stream');
      const server = process
        .getBuiltinModule('node:repl')
        .start({ input: new PassThrough(), output: new PassThrough() });
      await new Promise<void>((resolve, reject) => {
        server.setupHistory(`${folder}/history`, (error) => (error ? reject(error) : resolve()));
      });
      if (!fs().existsSync(`${folder}/history`)) miss();
    },
  },
  'node:sqlite': {
    'make a database': ({ folder }) => {
      const sqlite: typeof import('node:sqlite') | undefined = process.getBuiltinModule('node:sqlite');
      if (!sqlite) miss();
      new sqlite.DatabaseSync(`${folder}/made.db`).exec('create table made (id)');
    },
  },
  wasi: {
    'open a folder': ({ folder }) => {
      const { WASI } = process.getBuiltinModule('node:wasi');
      return new WASI({ version: 'preview1', preopens: { '/': folder } });
    },
  },
  crypto: {
    'load an engine': ({ file }) => process.getBuiltinModule('node:crypto').setEngine(file),
  },
  os: {
    'slow the gateway down': ({ pid }) => {
      const os = process.getBuiltinModule('node:os');
      os.setPriority(pid, os.getPriority(pid));
    },
    'ask for the machine’s addresses': () => process.getBuiltinModule('node:os').networkInterfaces(),
  },
  net: {
    'connect to the gateway and its database': ({ ports }) =>
      Promise.all(ports.map((port) => connected({ port, host: '127.0.0.1' }))),
    'connect to a Unix socket of the gateway’s user': ({ ownSocket }) => connected({ path: ownSocket }),
    'make a Unix socket': ({ folder }) => listened(`${folder}/made.sock`),
    listen: () => listened(0),
  },
  dgram: {
    'send a datagram': async ({ ports: [port = 1] }) => {
      const socket = process.getBuiltinModule('node:dgram').createSocket('udp4');
      await new Promise<void>((resolve, reject) => {
        socket.send('x', port, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
      });
      socket.close();
    },
  },
  http: {
    'send a request to a Unix socket of the gateway’s user': ({ ownSocket }) =>
      told(process.getBuiltinModule('node:http').get({ socketPath: ownSocket }), 'response'),
  },
  dns: { 'look a name up': async () => process.getBuiltinModule('node:dns/promises').lookup('localhost') },
  'dns/promises': same('dns'),
  http2: same('net'),
  https: same('http'),
  tls: same('net'),
  _http_agent: same('http'),
  _http_client: same('http'),
  _http_common: same('http'),
  _http_incoming: same('http'),
  _http_outgoing: same('http'),
  _http_server: same('http'),
  _stream_duplex: same('stream'),
  _stream_passthrough: same('stream'),
  _stream_readable: same('stream'),
  _stream_transform: same('stream'),
  _stream_wrap: same('stream'),
  _stream_writable: same('stream'),
  _tls_common: same('tls'),
  _tls_wrap: same('tls'),
  assert: computes,
  'assert/strict': computes,
  async_hooks: observes,
  buffer: computes,
  console: carries,
  constants: computes,
  diagnostics_channel: observes,
  domain: observes,
  events: computes,
  path: computes,
  'path/posix': computes,
  'path/win32': computes,
  perf_hooks: observes,
  punycode: computes,
  querystring: computes,
  readline: carries,
  'readline/promises': carries,
  stream: carries,
  'stream/consumers': carries,
  'stream/promises': carries,
  'stream/web': carries,
  string_decoder: computes,
  sys: computes,
  timers: computes,
  'timers/promises': computes,
  tty: 'drives a terminal: the child has none',
  url: computes,
  util: computes,
  'util/types': computes,
  vm: observes,
  zlib: computes,
  'node:sea': 'reads what was built into the program: nothing was',
  'node:test': 'starts what it runs by child_process',
  'node:test/reporters': computes,
};

async function started(child: NodeJS.EventEmitter): Promise<void> {
  await told(child, 'spawn');
}

/** Has V8 write files of its own, past the permission model: the process ends if its flags can't be changed. */
export function changeFlags(): void {
  process.getBuiltinModule('node:v8').setFlagsFromString('--trace-turbo');
}

/** Plays every module, one attack after the other. @returns the result of each, by `module: attack` */
export async function playAll(aims: Aims): Promise<Record<string, Result>> {
  const results: Record<string, Result> = {};
  for (const [module, attacks] of Object.entries(plays)) {
    if (typeof attacks === 'string') continue;
    for (const [name, attack] of Object.entries(attacks)) results[`${module}: ${name}`] = await resultOf(attack, aims);
  }
  return results;
}

const PATIENCE_MS = 5_000;

async function resultOf(attack: Attack, aims: Aims): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<Result>((resolve) => {
    timer = setTimeout(() => resolve('SILENT'), PATIENCE_MS);
  });
  const attempt = async () => {
    await attack(aims);
    return 'done';
  };
  try {
    return await Promise.race([attempt(), patience]);
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  } finally {
    clearTimeout(timer);
  }
}
