import type { Loaders } from './context.ts';

type Makers<Access> = { readonly [Name in keyof Loaders]: (access: Access) => Loaders[Name] };

/** Makes what gives a request its loaders, each of which is made when it is first asked for: most need none. */
export function lazyLoaders<Access>(makers: Makers<Access>): (access: Access) => Loaders {
  class Lazy {
    readonly access: Access;
    readonly made: Record<string, unknown> = {};

    constructor(access: Access) {
      this.access = access;
    }
  }
  for (const [name, make] of Object.entries<(access: Access) => unknown>(makers))
    Object.defineProperty(Lazy.prototype, name, {
      get(this: Lazy) {
        this.made[name] ??= make(this.access);
        return this.made[name];
      },
    });
  return (access) => new Lazy(access) as unknown as Loaders;
}
