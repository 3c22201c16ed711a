import { issue } from '../../connectors/kit/config/marks.ts';
import { anyText } from '../../connectors/kit/config/text.ts';
import type { IgnoredPart } from '../../connectors/kit/connection-text/config-draft.ts';
import { ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { FieldIssueRef } from '../../graphql/errors.ts';
import { type ParsedConnection, parseConnection } from './parse-connection.ts';
import { ConnectorRef, DatastoreTypeRef } from './schema.ts';

/** In bytes of UTF-8. The longest that people have is a `.env` with a key in it. */
const MAX_TEXT = 64 * 1024;

const connectionText = anyText(MAX_TEXT).refine(
  (text) => Buffer.byteLength(text) <= MAX_TEXT,
  issue('TOO_LONG', 'Give at most 64 KiB.'),
);

const IgnoredPartRef = builder.objectRef<IgnoredPart>('IgnoredPart').implement({
  description: 'A part of a text that was not taken, or that was taken as something else than it says.',
  fields: (t) => ({
    name: t.exposeString('name', {
      description: 'The part’s name as the text writes it: `application_name`. It is … where that looks like no name.',
    }),
    reason: t.exposeString('reason', { description: 'Why, and what to do instead, for people.' }),
  }),
});

const ParseConnectionSuccess = builder.objectRef<ParsedConnection>('ParseConnectionSuccess').implement({
  description: 'What was read from the text. It holds the text’s secrets.',
  fields: (t) => ({
    type: t.field({
      type: DatastoreTypeRef,
      description: 'The type that the text was read as.',
      resolve: ({ connector }) => connector.type,
    }),
    connector: t.field({
      type: ConnectorRef,
      description: 'The same, with all that a form needs.',
      resolve: ({ connector }) => connector,
    }),
    configJson: t.field({
      type: 'JSON',
      description:
        'What the text holds, as values of the type’s form. `config: { [connector.configKey]: configJson }` is what createDatastore takes. **The secrets of the text are among them**: connector.secretPaths says where. What the text leaves out is left out here, so that the type’s defaults count.',
      resolve: ({ config }) => config,
    }),
    ignored: t.field({
      type: [IgnoredPartRef],
      description: 'The parts that were not taken, or not as they stand there. At most 101.',
      resolve: ({ ignored }) => [...ignored],
    }),
    issues: t.field({
      type: [FieldIssueRef],
      description:
        'What createDatastore would refuse: fields that the text does not hold, and values that are not valid. `configPath` names the field. Empty when the config can be sent as it comes.',
      resolve: ({ issues }) => [...issues],
    }),
  }),
});

builder.queryField('parseConnection', (t) =>
  t.field({
    type: ParseConnectionSuccess,
    description:
      'Reads the text that people have for a connection, to fill in a form: a connection URL (`postgres://…`, `mongodb+srv://…`, `jdbc:…`, `s3://…`, `https://…`), `Server=…;User Id=…`, `host=… user=…`, how a client is called (`PGPASSWORD=… psql -h …`, `mysql -u …`, `mongosh …`, `sqlcmd -S …`), a `.env`, an option file of MySQL’s, the JSON of a service account or of a secrets manager. Connector.connectionTexts has examples. ' +
      'Nothing is stored, logged, resolved or connected to. The text holds secrets, and so does the answer: send the text as a variable, by POST or WebSocket – it is refused by GET –, and keep the answer out of logs and caches.',
    extensions: { postOnly: true },
    errors: { types: [ValidationError], union: { name: 'ParseConnectionResult' } },
    args: {
      type: t.arg({
        type: DatastoreTypeRef,
        description: 'What to read the text as. Leave it out where the text says it; issues tell where it does not.',
      }),
      text: t.arg.string({
        required: true,
        description: 'The text, at most 64 KiB and 1,000 settings.',
        validate: { schema: connectionText },
      }),
    },
    resolve: (_root, { type, text }) => parseConnection(text, type ?? undefined),
  }),
);
