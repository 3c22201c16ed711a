/*
 * Has Snowflake's driver for Node sign in at a peer and run its first statement, with what it is given as JSON on
 * stdin. Prints what came of it as JSON, as run.py does.
 */
import { isIP, Socket } from 'node:net';
import { json } from 'node:stream/consumers';

const { config, port } = await json(process.stdin);
const connect = Socket.prototype.connect;
/** Every name is this machine, and no address is another one: drivers look for the cloud that they run in. */
Socket.prototype.connect = function (...given) {
  const [options] = Array.isArray(given[0]) ? given[0] : given;
  if (isIP(options.host ?? '') && options.host !== '127.0.0.1') return this.destroy(new Error('No other machine.'));
  options.host = '127.0.0.1';
  options.lookup = undefined;
  return connect.apply(this, given);
};

const { default: snowflake } = await import('snowflake-sdk');
snowflake.configure({ logLevel: 'OFF', disableOCSPChecks: true });
const { account, username, authentication, warehouse, database } = config;
const connection = snowflake.createConnection({
  ...{ account, username, password: authentication.password.password, warehouse, database },
  accessUrl: `https://localhost:${port}`,
  sfRetryMaxLoginRetries: 1,
});

function told(of) {
  return new Promise((resolve, reject) => {
    of((error, value, rows) => (error ? reject(error) : resolve(rows ?? value)));
  });
}

async function first() {
  await told((done) => connection.connect(done));
  const rows = await told((complete) => connection.execute({ sqlText: 'select 1', complete }));
  return Object.values(rows[0])[0];
}

const result = await first().then(
  (answer) => ({ answer }),
  ({ name, message }) => ({ refused: name, message }),
);
process.stdout.write(JSON.stringify(result), () => process.exit(0));
