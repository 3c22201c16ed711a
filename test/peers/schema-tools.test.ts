import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildSchema, isInterfaceType, isObjectType, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** What judges schema/schema.graphql besides our own tests. It has its own packages, 200 MB that no newcomer needs. */
const TOOLS = join(import.meta.dirname, 'schema-tools');
const SCHEMA = join(import.meta.dirname, '../../schema/schema.graphql');
const INSTALL_MS = 300_000;

describe('the tools that frontends use on the schema', () => {
  let place: string;
  let sdl: string;

  beforeAll(async () => {
    if (!existsSync(join(TOOLS, 'node_modules'))) await promisify(execFile)('npm', ['ci'], { cwd: TOOLS });
    sdl = await readFile(SCHEMA, 'utf8');
    place = await mkdtemp(join(tmpdir(), 'schema-tools-'));
    for (const name of ['src', 'eslint.config.js', 'relay.config.json', 'package.json'])
      await cp(join(TOOLS, name), join(place, name), { recursive: true });
    await symlink(join(TOOLS, 'node_modules'), join(place, 'node_modules'));
  }, INSTALL_MS);

  afterAll(() => rm(place, { recursive: true, force: true }));

  /** Runs a tool on a schema to its end: its exit status, and what it has printed. */
  const run = async (schema: string, tool: string, ...args: readonly string[]) => {
    await writeFile(join(place, 'schema.graphql'), schema);
    const options = { cwd: place, maxBuffer: 64 * 1024 * 1024 };
    return new Promise<{ status: unknown; output: string }>((resolve) => {
      execFile(process.execPath, [join(place, 'node_modules', tool), ...args], options, (error, stdout, stderr) =>
        resolve({ status: error ? error.code : 0, output: stdout + stderr }),
      );
    });
  };

  test('graphql-eslint has nothing to say by its recommended rules', async () => {
    await writeFile(join(place, 'faulty.graphql'), 'type faulty_type { getName: String @deprecated }');
    const { output } = await run(sdl, 'eslint/bin/eslint.js', '--format', 'json', 'schema.graphql', 'faulty.graphql');
    const files = JSON.parse(output) as { filePath: string; messages: { ruleId: string; message: string }[] }[];
    const [schema, faulty] = ['schema', 'faulty'].map(
      (name) => files.find(({ filePath }) => filePath.endsWith(`${name}.graphql`))?.messages,
    );
    expect(schema).toEqual([]);
    // … though it has of a type that is not as it likes them
    expect(faulty?.map(({ ruleId }) => ruleId)).toEqual(
      expect.arrayContaining(['naming-convention', 'require-description'].map((rule) => `@graphql-eslint/${rule}`)),
    );
  });

  test('relay-compiler pages the connections of a datastore by @refetchable', async () => {
    const connections = connectionsOf(sdl, 'Datastore');
    const { status, output } = await run(sdl, 'relay-compiler/cli.js', 'relay.config.json');
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('Compilation completed') });
    const written = join(place, 'src/__generated__');
    const queries: string[] = [];
    for (const name of await readdir(written)) {
      const text = /"text": (".*")/.exec(await readFile(join(written, name), 'utf8'))?.[1];
      if (text && name.includes('Pagination')) queries.push(JSON.parse(text) as string);
    }
    const schema = buildSchema(sdl);
    expect(queries.flatMap((query) => validate(schema, parse(query)))).toEqual([]);
    for (const query of queries) expect(query).toContain('node(id: $id)');
    for (const connection of connections)
      expect(queries.join()).toContain(`${connection}(first: $first, after: $after`);
    expect(queries).toHaveLength(connections.length);
  });

  test('relay-compiler would refuse a datastore that is no Node', async () => {
    const { status, output } = await run(sdl.replaceAll(/ implements Node| & Node/g, ''), 'relay-compiler/cli.js');
    expect(status).not.toBe(0);
    expect(output).toContain('@refetchable');
  });
});

/** The fields of a type that are pages. */
function connectionsOf(sdl: string, name: string): readonly string[] {
  const type = buildSchema(sdl).getType(name);
  if (!isInterfaceType(type) && !isObjectType(type)) return [];
  return Object.values(type.getFields()).flatMap((field) =>
    /Connection!$/.test(String(field.type)) ? field.name : [],
  );
}
