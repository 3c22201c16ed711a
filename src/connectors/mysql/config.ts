import { z } from 'zod';
import { mysqlFields } from '../families/mysql/config.ts';

export const mysqlConfig = z.object(mysqlFields(3306));
