import { describe, expect, it } from 'vitest';
import { CatalogBounds } from '../../../../src/connectors/kit/checks/catalog-bounds.ts';
import { type CatalogEntry, catalogLimits } from '../../../../src/connectors/kit/contract/catalog-entry.ts';

const column = (name: string, dataType = 'int') => ({ name, dataType, nullable: null });
const table = (name: string, more: Partial<CatalogEntry> = {}): CatalogEntry => ({
  namespace: null,
  name,
  kind: 'TABLE',
  columns: [],
  ...more,
});
const long = 'x'.repeat(catalogLimits.name);

function take(entries: readonly CatalogEntry[], bounds = new CatalogBounds()) {
  const parts = [...bounds.take(entries)];
  return { bounds, parts, kept: parts.flat(), ...bounds.outcome() };
}

describe('the bounds of a catalog', () => {
  it('let through what is within them, and warn of nothing', () => {
    const entries = [table(long, { namespace: long, columns: [column(long, long)] }), table('b')];
    const { kept, evidence, warning } = take(entries);
    expect(kept).toEqual(entries);
    expect(evidence).toEqual({ entries: 2, columns: 1 });
    expect(warning).toBe(false);
  });

  it.each([
    ['a name that is too long', table(`${long}x`)],
    ['a namespace that is too long', table('a', { namespace: `${long}x` })],
    ['a name that no database stores', table('a\0b')],
    ['a name of bytes that are no text', table('caf\ufffd', { namespace: 'sales' })],
  ])('leave out an entry with %s, and say which', (_, entry) => {
    const { kept, evidence, warning } = take([entry, table('b')]);
    expect(kept).toEqual([table('b')]);
    const names = [entry.namespace, entry.name].filter((name) => name !== null).join('.');
    const told = names.length > 80 ? `${names.slice(0, 80)}…` : names.replace('\0', '\ufffd');
    expect(evidence).toMatchObject({ entries: 1, entriesLeftOut: 1, unfitNames: told });
    expect(warning).toBe(true);
  });

  it('name the columns that are left out, and no more than five of all', () => {
    const columns = Array.from({ length: 9 }, (_, at) => column(`\ufffd${at}`));
    const { evidence } = take([table('a', { namespace: 'sales', columns })]);
    expect(evidence).toMatchObject({ columnsLeftOut: 9 });
    expect(evidence.unfitNames).toBe([0, 1, 2, 3, 4].map((at) => `sales.a.\ufffd${at}`).join(', '));
  });

  it('leave out a column whose name is too long, and shorten a type', () => {
    const type = `${'x'.repeat(catalogLimits.name - 2)}😀x`;
    const { kept, evidence, warning } = take([table('a', { columns: [column(`${long}x`), column('b', type)] })]);
    expect(kept[0]?.columns).toEqual([column('b', `${'x'.repeat(catalogLimits.name - 2)}…`)]);
    expect(evidence).toMatchObject({ columns: 1, columnsLeftOut: 1, typesShortened: 1 });
    expect(warning).toBe(true);
  });

  it('end an entry at its most columns, and at its size', () => {
    const many = Array.from({ length: catalogLimits.columns + 5 }, (_, at) => column(`c${at}`));
    const large = Array.from({ length: 1_200 }, () => column(long));
    const { kept, evidence } = take([table('many', { columns: many }), table('large', { columns: large })]);
    expect(kept[0]?.columns).toHaveLength(catalogLimits.columns);
    expect(Buffer.byteLength(JSON.stringify(kept[1]))).toBeLessThanOrEqual(catalogLimits.entrySize);
    expect(kept[1]?.columns.length).toBeGreaterThan(900);
    expect(evidence.columnsLeftOut).toBe(5 + 1_200 - (kept[1]?.columns.length ?? 0));
  });

  it('end a catalog at its most entries, however they come', () => {
    const bounds = new CatalogBounds();
    const entries = Array.from({ length: catalogLimits.entries / 2 }, (_, at) => table(`t${at}`));
    take(entries, bounds);
    expect(take(entries, bounds).bounds.isFull).toBe(false);
    const { kept, evidence, warning } = take([table('one more')], bounds);
    expect(kept).toEqual([]);
    expect(bounds.isFull).toBe(true);
    expect(evidence).toMatchObject({ entries: catalogLimits.entries, leftOutAfter: '100000 entries' });
    expect(warning).toBe(true);
  });

  it('end a catalog at its size, counted as the JSON that is stored', () => {
    const columns = Array.from({ length: 900 }, () => column('"'.repeat(500), 'é'.repeat(30)));
    const entry = table('t', { columns });
    const { kept, evidence } = take(Array.from({ length: 100 }, () => entry));
    const size = Buffer.byteLength(JSON.stringify(entry)) * kept.length;
    expect(size).toBeLessThanOrEqual(catalogLimits.size);
    expect(size).toBeGreaterThan(catalogLimits.size - 2 * catalogLimits.entrySize);
    expect(evidence).toMatchObject({ entries: kept.length, leftOutAfter: `${catalogLimits.size} bytes` });
  });

  it('hand on parts of at most 200 entries and 256 KiB', () => {
    const some = Array.from({ length: 450 }, (_, at) => table(`t${at}`));
    expect(take(some).parts.map((part) => part.length)).toEqual([200, 200, 50]);
    const wide = Array.from({ length: 9 }, () => table('w', { columns: Array(100).fill(column(long)) }));
    const { parts } = take(wide);
    expect(parts.map((part) => part.length)).toEqual([2, 2, 2, 2, 1]);
    for (const part of parts) expect(Buffer.byteLength(JSON.stringify(part))).toBeLessThanOrEqual(256 * 1024);
  });
});
