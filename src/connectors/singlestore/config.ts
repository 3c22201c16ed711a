import { z } from 'zod';
import { mysqlFields } from '../families/mysql/config.ts';

export const singlestoreConfig = z.object(mysqlFields(3306));
