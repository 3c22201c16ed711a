import { z } from 'zod';
import { checkRdsIam, rdsIam, rdsIamRules } from '../families/aws/rds.ts';
import { mysqlFields } from '../families/mysql/config.ts';
import { rules } from '../kit/config/rules.ts';

export const mysqlConfig = z
  .object({ ...mysqlFields(3306, 'or when you sign in with a client certificate or with awsIam'), awsIam: rdsIam() })
  .superRefine(checkRdsIam)
  .meta(rules(...rdsIamRules));

export type MysqlConfig = z.output<typeof mysqlConfig>;
