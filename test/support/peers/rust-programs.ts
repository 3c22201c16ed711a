import { programsOf } from './built-programs.ts';

export const { programs: rustPrograms, start: startRustProgram } = programsOf('rust');
