import { HIDDEN_CHARACTERS, hidesCharacters } from '../../connectors/kit/config/label.ts';
import type { DataStructure } from '../data-structures/service.ts';
import type { StructureField } from '../data-structures/structure.ts';
import type { Datastore } from '../datastores/datastore.ts';
import type { Manifest, ManifestDatastore, ManifestFault, ManifestPath } from './manifest.ts';

/** A name for people, and where it stands. */
interface Name {
  readonly path: ManifestPath;
  readonly text: string;
}

/** Names of a manifest that hide characters, but for those that `stored()` tells: what was taken once may stay. */
export async function hiddenNames(manifest: Manifest, stored: () => Promise<Iterable<string>>) {
  const hidden = namesIn(manifest).filter(({ text }) => hidesCharacters(text));
  if (hidden.length === 0) return [];
  const known = new Set(await stored());
  return hidden
    .filter(({ text }) => !known.has(text))
    .map(({ path }): ManifestFault => {
      return { path, configPath: null, code: 'INVALID_FORMAT', message: HIDDEN_CHARACTERS };
    });
}

/** The names that are stored in an environment. */
export function storedNames(datastores: readonly Datastore[], structures: readonly DataStructure[]): string[] {
  return [
    ...datastores.flatMap((datastore) => namesOf(datastore, [])),
    ...structures.flatMap(({ name, fields }) => [{ path: [], text: name }, ...labelsOf(fields, [])]),
  ].map(({ text }) => text);
}

function namesIn({ datastores, dataStructures }: Manifest): Name[] {
  return [
    ...[...datastores].flatMap(([name, datastore]) => namesOf(datastore, ['datastores', name])),
    ...[...dataStructures].flatMap(([name, { fields }]) => {
      const path = ['dataStructures', name];
      return [{ path, text: name }, ...labelsOf(fields, [...path, 'fields'])];
    }),
  ];
}

function namesOf(
  { label, ownerName, tags }: Pick<ManifestDatastore, 'label' | 'ownerName' | 'tags'>,
  at: ManifestPath,
) {
  return [
    ...(label === null ? [] : [{ path: [...at, 'label'], text: label }]),
    ...(ownerName === null ? [] : [{ path: [...at, 'ownerName'], text: ownerName }]),
    ...tags.map(({ key, value }) => ({ path: [...at, 'tags', key], text: value })),
  ];
}

function labelsOf(fields: readonly StructureField[] | null, at: ManifestPath): Name[] {
  return (fields ?? []).flatMap(({ label, fields: within }, index) => {
    const path = [...at, String(index)];
    return [
      ...(label === null ? [] : [{ path: [...path, 'label'], text: label }]),
      ...labelsOf(within, [...path, 'fields']),
    ];
  });
}
