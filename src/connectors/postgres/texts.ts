import { postgresTexts } from '../families/postgres/texts.ts';

export const postgresConnectionTexts = postgresTexts({
  examples: [
    'postgres://app:password@db.example.com:5432/shop?sslmode=verify-full',
    'host=db.example.com port=5432 dbname=shop user=app password=password sslmode=require',
    'PGHOST=db.example.com\nPGUSER=app\nPGPASSWORD=password\nPGDATABASE=shop',
    'jdbc:postgresql://db.example.com:5432/shop?user=app&password=password&ssl=true',
  ],
  schemes: ['postgres', 'postgresql'],
  prefixes: ['pg', 'postgresql'],
  signs: ['dbname', 'sslrootcert', 'searchpath'],
});
