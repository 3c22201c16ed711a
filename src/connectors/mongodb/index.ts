import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { readMongodbCatalog } from './catalog.ts';
import { mongodbChecks, sessionOf } from './checks.ts';
import { type MongodbConfig, mongodbConfig } from './config.ts';
import { mongodbRecipe } from './documentation.ts';
import { explainMongodb } from './failures.ts';
import { type MongodbState, targetOf } from './servers.ts';
import { mongodbConnectionTexts } from './texts.ts';

export const mongodb = defineConnector({
  type: 'MONGODB',
  title: 'MongoDB',
  description:
    'A database of a MongoDB server, 3.6 or newer, of a hosted cluster (by its SRV name), or of a service that speaks the protocol. A connection string is not kept: its parts are fields, which parseConnection reads from it.',
  category: 'DOCUMENT',
  provenAgainst:
    'FerretDB 1.24 for the protocol and signing in; a fake that PyMongo 4.20 accepts, and Perl’s Authen::SCRAM and BSON::XS',
  leastRights: '`listCollections` on the database, which the role `read` has.',
  recipe: mongodbRecipe,
  config: mongodbConfig,
  example: { host: 'db.example.com', username: 'reader', password: 'example-password', database: 'shop' },
  principalSecret: 'password',
  defaultPort: 27_017,
  targets: (config) => [targetOf(config)],
  checks: mongodbChecks,
  tenancyLevels: ['TABLE', 'DATABASE'],
  catalogCheck: catalogCheck<MongodbConfig, MongodbState>((context) =>
    readMongodbCatalog(sessionOf(context), context.config.database),
  ),
  createState: (): MongodbState => ({}),
  close({ session, primary }) {
    session?.close();
    primary?.close();
  },
  explain: explainMongodb,
  texts: mongodbConnectionTexts,
});
