import { mysqlTexts } from '../families/mysql/texts.ts';

export const mysqlConnectionTexts = mysqlTexts({
  examples: [
    'mysql://app:password@db.example.com:3306/shop?ssl-mode=VERIFY_IDENTITY',
    'Server=db.example.com;Port=3306;Database=shop;Uid=app;Pwd=password;SslMode=VerifyFull',
    '[client]\nhost=db.example.com\nuser=app\npassword=password\ndatabase=shop',
    'jdbc:mariadb://db.example.com:3306/shop?user=app&password=password&sslMode=verify-full',
  ],
  schemes: ['mysql', 'mysql2', 'mariadb'],
  prefixes: ['mariadb'],
  signs: ['client', 'mysql', 'mysqldump', 'skipssl', 'allowuservariables', 'sslverifyservercert'],
});
