import { programsOf } from './built-programs.ts';

export const { program: goProgram, programs: goPrograms, start: startGoProgram } = programsOf('go');
