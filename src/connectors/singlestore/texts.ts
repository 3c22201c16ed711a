import { mysqlTexts } from '../families/mysql/texts.ts';

export const singlestoreConnectionTexts = mysqlTexts({
  examples: [
    'singlestoredb://app:password@svc-1234.svc.singlestore.com:3306/shop',
    'jdbc:singlestore://svc-1234.svc.singlestore.com:3306/shop?user=app&password=password',
  ],
  schemes: ['singlestore', 'singlestoredb', 'memsql'],
  places: /^[^/]*\.singlestore\.com[:/]/,
  prefixes: ['singlestoredb', 'memsql'],
});
